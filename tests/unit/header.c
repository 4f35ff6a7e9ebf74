/* The public header, included first and alone, as C11; header.cc is its twin in C++. */
#include <stereocrafter/stereocrafter.h>

#include <stdio.h>
#include <string.h>

#include <libavutil/error.h>

_Static_assert(SC_EOF == AVERROR_EOF, "FFmpeg's codes pass through unchanged");

int main(void)
{
    static const int codes[] = { SC_ERR_USAGE,  SC_ERR_EXISTS,    SC_ERR_INPUT, SC_ERR_NOT_VIDEO,
                                 SC_ERR_OUTPUT, SC_ERR_DISK_FULL, SC_ERR_DEPTH, SC_ERR_WEIGHTS,
                                 SC_ERR_DEVICE, SC_ERR_CANCELLED };
    const int count = (int)(sizeof codes / sizeof *codes);
    int failed = 0;

    for (int i = 0; i < count; i++)
        for (int k = -1; k < i; k++) {
            const char *other = k < 0 ? sc_strerror(-123456) : sc_strerror(codes[k]);
            if (codes[i] >= 0 || !strcmp(sc_strerror(codes[i]), other)) {
                printf("code %d has no text of its own: %s\n", codes[i], sc_strerror(codes[i]));
                failed = 1;
            }
        }
    return failed;
}
