/* What was chosen by timing, kept on disk: a machine times each case once, and computes the same bits in
 * every run.
 *
 * DIR/NAME.txt has one choice a line. NAME says what the choices hold for: the GPU, its driver, the
 * libraries. A file that is broken or of another version counts as empty and is written anew, always as a
 * whole. Several processes may share it: one at a time times, and the others find what it chose. */
#ifndef SC_CUDA_CHOICES_H
#define SC_CUDA_CHOICES_H

#ifdef __cplusplus
extern "C" {
#endif

#include "../../src/base.h"

typedef struct sc_choices sc_choices;

/* Creates dir when there is something to write. dir NULL: nothing is kept. log must live as long. One thread
 * at a time uses what is opened. */
int sc_choices_open(sc_choices **c, const char *dir, const char *name, const sc_logger *log);
void sc_choices_close(sc_choices **c);

/* The choice for a case, n numbers of a family (one word); negative if there is none. */
int sc_choices_find(const sc_choices *c, const char *family, const int64_t *key, int n);

/* False if a choice could not be kept: then take what needs no timing. True: no other process chooses until
 * sc_choices_unlock(), and what others have chosen before is found. */
bool sc_choices_lock(sc_choices *c);
void sc_choices_set(sc_choices *c, const char *family, const int64_t *key, int n, int choice);
void sc_choices_unlock(sc_choices *c); /* writes what was set */

#ifdef __cplusplus
}
#endif
#endif
