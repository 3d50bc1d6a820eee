/* SPDX-License-Identifier: MIT */
/* Between request.c (table, turns, answers) and its parts: request_file.c (one file), request_tree.c (walks).
 */
#ifndef GUEST_REQUEST_TABLE_H
#define GUEST_REQUEST_TABLE_H

#include "core/sandbox/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum request_state {
    REQUEST_FREE,
    REQUEST_WAITING, /* for its turn to walk */
    REQUEST_RUNNING,
    REQUEST_ENDED, /* its DONE is to be sent */
};

struct request {
    enum request_state state;
    uint8_t type;
    uint64_t stream, order;
    uint32_t number; /* mode, flags, or a yes/no of the request */
    int64_t time_ns;
    char path[FRAME_PATH_MAX], second[FRAME_PATH_MAX];
    int fd, folder;      /* -1 */
    uint32_t open_bytes; /* sent, credit not yet back */
    uint32_t credit;     /* received and dealt with, not yet given back */
    uint64_t count;      /* bytes read or written, or entries seen */
    uint64_t data_end;   /* reading: no hole before this position */
    bool is_sparse;
    uint8_t answer;  /* type of the frame that a step fills */
    int errnum;      /* first failure of a removal */
    bool has_begun;  /* the walk */
    bool is_walked;  /* scan: now what is gone */
    bool is_summing; /* scan: the file seen last is being read */
    char temporary[64];
    struct frame_exit refusal;
    struct frame_done done;
    uint8_t result[FRAME_ENTRY_MAX];
    struct frame_out out; /* over result */
};

enum { REQUEST_MORE = 0, REQUEST_FINISHED = 1 }; /* what run and step return, or -errno */

/* Begin. */
void request_path_take(char ret[FRAME_PATH_MAX], struct frame_in *in);
int request_stat(struct request *r);
int request_read(struct request *r);
int request_probe(struct request *r);
int request_write(struct request *r);
int request_mkdir(struct request *r);
int request_symlink(struct request *r);
int request_link(struct request *r);
int request_set(struct request *r);
int request_rename(struct request *r);
int request_stats(struct request *r);
int request_remove(struct request *r);
int request_find(struct request *r, struct frame_in paths);

/* Next slice. `ret` takes what goes to the host, *ret_len its length. */
int request_read_step(struct request *r, uint8_t *ret, uint32_t *ret_len);
int request_sum_step(struct request *r, uint8_t *ret, uint32_t *ret_len);
int request_list_step(struct request *r, uint8_t *ret, uint32_t *ret_len);
int request_scan_step(struct request *r, uint8_t *ret, uint32_t *ret_len);
int request_remove_step(struct request *r, uint8_t *ret, uint32_t *ret_len);

int request_write_data(struct request *r, const uint8_t *p, size_t len, bool is_end);
int request_write_hole(struct request *r, uint64_t len);
void request_write_abort(struct request *r);

#endif
