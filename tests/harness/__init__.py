# SPDX-License-Identifier: MIT
"""What the whole-program tests stand on: a scripted Responses server and a reader of case files."""
