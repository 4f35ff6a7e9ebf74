#include "sphere.h"

#include <math.h>
#include <stdlib.h>

#include "arrange.h"
#include "../ops.h"

/* Two eyes of 4096 are 8192 columns, the most that HEVC and AV1 decoders take. */
enum { SMALLEST = 64, LARGEST = 4096, STEP = 16 };

/* A pixel that lands so far away lands nowhere. */
static const double NOWHERE = 1e6;

/* A straight line of the picture that runs up or down becomes a bent one, but its pixels stay in their
 * columns if all rows are done first: a point at (x, y), in units of the viewer's distance, has the longitude
 * atan(x) and, given that, the latitude atan(y cos(longitude)). So each of two passes moves pixels along one
 * axis, by distances that never change, which is what the splat op does with a disparity. */
struct sc_sphere {
    int n, w, h;     /* side of the sphere's picture; size of the picture, shrunk where n is limited */
    int columns;     /* of the first pass: room for picture and sphere */
    int rows;        /* of the second */
    float stretch;   /* columns between two neighbours, at most */
    sc_image across; /* [1, columns, 1]: by how many columns each lands further left */
    sc_image down;   /* [n, rows, 1]: for each column of the sphere, by how many rows each lands further up */
};

static double aspect(const sc_video_info *v)
{
    return v->sar.num ? (double)v->sar.num / v->sar.den : 1;
}

/* The viewer's distance in columns of a picture of width w. */
static double distance(double w, double fov)
{
    return w / 2 / tan((fov > 0 ? fov : SC_SPHERE_FOV) * M_PI / 360);
}

int sc_sphere_size(const sc_video_info *v, double fov)
{
    const double n = M_PI * distance(v->width, fov) * aspect(v);

    return (int)SC_CLAMP(STEP * llrint(n / STEP), SMALLEST, LARGEST);
}

static int upload(const sc_context *c, sc_image *to, int h, int w, const float *values)
{
    int ret;

    SC_TRY(sc_image_new(c->pools, to, h, w, 1));
    sc_upload(c->x, to->t, values);
    ret = sc_exec_wait(c->x);
fail:
    return ret;
}

/* Pixel i of a line of `count`, in a line with room for `room`, where they stand in the middle: how far it
 * has to move to where it is seen at `scale` times its distance from the line's middle, or out of the way. */
static float move(int i, int room, int count, double scale, int n)
{
    const int begin = (room - count) / 2, at = i - begin;

    if (at < 0 || at >= count)
        return (float)(i + NOWHERE);
    return (float)(i - (atan((at - (count - 1) / 2.0) * scale) * n / M_PI + (n - 1) / 2.0));
}

static int make_maps(sc_sphere *s, const sc_context *c, double far_x, double far_y)
{
    float *across = malloc((size_t)s->columns * sizeof(*across));
    float *down = malloc((size_t)s->n * (size_t)s->rows * sizeof(*down));
    int ret = -ENOMEM;

    if (!across || !down)
        goto fail;
    for (int i = 0; i < s->columns; i++)
        across[i] = move(i, s->columns, s->w, 1 / far_x, s->n);
    for (int j = 0; j < s->n; j++) {
        const double longitude = (j + 0.5 - s->n / 2.0) * M_PI / s->n;
        for (int i = 0; i < s->rows; i++)
            down[(size_t)j * (size_t)s->rows + (size_t)i] =
                move(i, s->rows, s->h, cos(longitude) / far_y, s->n);
    }
    SC_TRY(upload(c, &s->across, 1, s->columns, across));
    SC_TRY(upload(c, &s->down, s->n, s->rows, down));
fail:
    free(across);
    free(down);
    return ret;
}

int sc_sphere_open(sc_sphere **out, const sc_context *c, const sc_video_info *v, double fov)
{
    sc_sphere *s = calloc(1, sizeof(*s));
    int ret;

    if (!s)
        return -ENOMEM;
    s->n = sc_sphere_size(v, fov);
    /* Shrunk before, with all pixels taken into account, what would be too large: the passes take samples. */
    const double scale = fmin(1, (s->n + STEP) / (M_PI * distance(v->width, fov) * aspect(v)));
    s->w = (int)SC_MAX(1, lrint(v->width * scale));
    s->h = (int)SC_MAX(1, lrint(v->height * scale));
    s->columns = SC_MAX(s->n, s->w);
    s->rows = SC_MAX(s->n, s->h);
    const double far_x = distance(s->w, fov),
                 far_y = far_x * aspect(v) * s->h * v->width / ((double)s->w * v->height);
    s->stretch = (float)(1 + s->n / (M_PI * fmin(far_x, far_y)));
    SC_TRY(make_maps(s, c, far_x, far_y));
    *out = s;
    return 0;
fail:
    sc_sphere_close(&s);
    return ret;
}

void sc_sphere_close(sc_sphere **s)
{
    if (!*s)
        return;
    sc_image_unref(&(*s)->across);
    sc_image_unref(&(*s)->down);
    free(*s);
    *s = NULL;
}

/* Puts `picture` in the middle of lines of the map's length and moves its pixels along them. */
static sc_tensor bend(sc_exec *x, const sc_sphere *s, sc_tensor picture, sc_tensor map)
{
    const int64_t count = picture.dim[1], lines = picture.dim[0], room = map.dim[1];
    const sc_tensor y = sc_new(x, SC_F32, SC_DIMS(lines, room, 3)), from = sc_new_like(x, y);

    sc_copy_into(x, sc_slice(from, 1, (room - count) / 2, count), picture);
    sc_splat_into(x, &(sc_splat_args){ .right = y,
                                       .hole = sc_new(x, SC_F32, SC_DIMS(lines, room, 1)),
                                       .left = from,
                                       .disp = sc_broadcast(map, SC_DIMS(lines, room, 1)),
                                       .stretch = s->stretch });
    return sc_slice(y, 1, 0, s->n);
}

sc_tensor sc_sphere_project(sc_exec *x, const sc_sphere *s, sc_tensor picture)
{
    static const int turned[] = { 1, 0, 2 };
    sc_tensor y = sc_arrange_resized(x, picture, s->w, s->h);

    y = bend(x, s, y, s->across.t);
    y = bend(x, s, sc_permute(y, turned), s->down.t);
    return sc_permute(y, turned);
}
