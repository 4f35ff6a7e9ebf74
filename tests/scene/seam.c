#include "seam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../src/base.h"

static const double pi = 3.14159265358979323846;

static double linear(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double lab_curve(double t)
{
    return t > 216.0 / 24389 ? cbrt(t) : (24389.0 / 27 * t + 16) / 116;
}

void sc_seam_lab(double lab[3], const double rgb[3])
{
    const double r = linear(rgb[0]), g = linear(rgb[1]), b = linear(rgb[2]);
    const double x = lab_curve((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    const double y = lab_curve(0.2126 * r + 0.7152 * g + 0.0722 * b);
    const double z = lab_curve((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);

    lab[0] = 116 * y - 16;
    lab[1] = 500 * (x - y);
    lab[2] = 200 * (y - z);
}

/* Adds the power of v[n] at 1 .. n/2 waves. Its line is taken off; Hann's window keeps what is left of slow
 * motion from the other frequencies. */
static void add_spectrum(double *power, const double (*v)[3], int channel, int n)
{
    double sum = 0, slope = 0, squares = 0;

    for (int i = 0; i < n; i++)
        sum += v[i][channel];
    for (int i = 0; i < n; i++) {
        const double t = i - (n - 1) / 2.0;

        slope += t * v[i][channel];
        squares += t * t;
    }
    for (int k = 1; k <= n / 2; k++) {
        double re = 0, im = 0;

        for (int i = 0; i < n; i++) {
            const double hann = 0.5 - 0.5 * cos(2 * pi * (i + 0.5) / n);
            const double d = hann * (v[i][channel] - sum / n - slope / squares * (i - (n - 1) / 2.0));

            re += d * cos(2 * pi * k * i / n);
            im += d * sin(2 * pi * k * i / n);
        }
        power[k] += (re * re + im * im) / n;
    }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Power at `peak` over the median of what is nearer to it than to the next harmonic. Hann's window spreads a
 * line over one frequency to each side. */
static double over_median(const double *power, int peak, int step, int last)
{
    double around[SC_SEAM_MOST], most = 0;
    int n = 0;

    for (int k = SC_MAX(peak - step / 2, 2); k <= SC_MIN(peak + step / 2, last); k++)
        if (abs(k - peak) > 1)
            around[n++] = power[k];
        else
            most = SC_MAX(most, power[k]);
    qsort(around, (size_t)n, sizeof(*around), ascending);
    return n ? most / SC_MAX(around[n / 2], 1e-12) : 0;
}

double sc_seam_ratio(const double (*difference)[3], int n, int period, double *power, double *limit)
{
    const int step = n / period, harmonics = period / 2;
    double ratio = 0;

    memset(power, 0, sizeof(*power) * (size_t)(n / 2 + 1));
    for (int c = 0; c < 3; c++)
        add_spectrum(power, difference, c, n);
    for (int h = 1; h <= harmonics; h++)
        ratio = SC_MAX(ratio, over_median(power, h * step, step, n / 2));
    *limit = log2(harmonics / 0.001);
    return ratio;
}
