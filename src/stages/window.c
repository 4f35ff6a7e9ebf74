#include "window.h"

#include <math.h>

int sc_span_count(int n, int size, int overlap)
{
    const int step = size - overlap;

    if (n <= 0)
        return 0;
    return n <= size ? 1 : (n - overlap + step - 1) / step;
}

bool sc_span_at(sc_span *s, int i, int n, int size, int overlap)
{
    if (i < 0 || i >= sc_span_count(n, size, overlap))
        return false;
    *s = (sc_span){ .count = SC_MIN(n, size) };
    s->begin = SC_MIN(i * (size - overlap), n - s->count);
    return true;
}

float sc_fade(int k, int n)
{
    return (float)(k + 1) / (float)(n + 1);
}

float sc_fade_cosine(int k, int n)
{
    const double pi = 3.14159265358979323846;

    return n > 1 ? (float)(0.5 - 0.5 * cos(pi * k / (n - 1))) : 0.5f;
}
