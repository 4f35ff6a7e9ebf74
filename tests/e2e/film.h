/* What the end-to-end tests in C share: films in memory, and the program run as its users run it. */
#ifndef SC_FILM_H
#define SC_FILM_H

#include <stdbool.h>

#include <libavutil/frame.h>

#include "../scene/scene.h"

typedef struct bench { /* where a test works */
    const char *program, *folder;
} bench;

typedef struct film {
    AVFrame *frame[64];
    int count;
} film;

/* Frames [from, to) of the scene's left eye as FOLDER/name, by FFV1 (a .mp4: by H.264, uneven in time, with a
 * tone) after `filter`. With `disparity`: its disparity in gray16 instead. */
void film_render(const bench *b, const char *name, const sc_scene *s, int from, int to, const char *filter,
                 bool disparity);

/* All frames of FOLDER/name after `filter`. Fails the test if it cannot be read. */
film film_read(const bench *b, const char *name, const char *filter);
void film_free(film *f);

/* All packets of the sound of FOLDER/name: their bytes in a row, to be freed, and how many. */
uint8_t *film_sound(const bench *b, const char *name, size_t *bytes, int *packets);

/* Whether every coded value is the same; if not, says where the first difference is. */
bool film_same(const film *a, const film *b);

/* Runs "PROGRAM FOLDER/in FOLDER/out options"; options are split at spaces, "@" in front of one means
 * FOLDER/. Returns its exit code (128 + signal if it died); prints what it said if that is not `expected`. */
int film_convert(const bench *b, const char *in, const char *out, const char *options, int expected);

#endif
