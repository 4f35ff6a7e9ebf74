#include "scene.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>

/* World: metres, x right, y down, z forward; the camera hovers around the origin. */
#define FOCAL   0.9 /* focal length in picture widths: 58 degrees across */
#define NEAR_Z  1.8 /* every object stays between these depths, whatever the seed */
#define FAR_Z   8.4
#define FLOOR_Y 1.1
#define GRID    3 /* samples of a pixel, each way */

typedef struct vec {
    double x, y, z;
} vec;

enum shape {
    ROOM,
    BOX,
    SPHERE,
    POLE
}; /* ROOM: a box seen from inside; POLE: an upright cylinder without caps */
enum pattern { NOISE, STRIPES, CHECKER };

typedef struct object {
    enum shape shape;
    enum pattern pattern;
    vec centre, size; /* half extents; sphere: x = radius; pole: x = radius, y = half height */
    vec dark, light;  /* the two colours of the pattern */
    double period;    /* of the pattern, metres */
    vec travel;       /* centre moves by travel * sin(rate * seconds + phase) */
    double rate, phase;
} object;

enum { MAX_OBJECTS = 16 };

typedef struct world { /* one instant */
    object object[MAX_OBJECTS];
    int objects;
    vec camera, right, down, forward;
    vec lamp;
} world;

typedef struct hit {
    double t;
    const object *object;
    vec normal;
} hit;

static vec add(vec a, vec b)
{
    return (vec){ a.x + b.x, a.y + b.y, a.z + b.z };
}

static vec scale(vec a, double s)
{
    return (vec){ a.x * s, a.y * s, a.z * s };
}

static vec sub(vec a, vec b)
{
    return (vec){ a.x - b.x, a.y - b.y, a.z - b.z };
}

static double dot(vec a, vec b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static vec unit(vec a)
{
    return scale(a, 1 / sqrt(dot(a, a)));
}

static vec mix(vec a, vec b, double m)
{
    return add(scale(a, 1 - m), scale(b, m));
}

/* Wellons' "lowbias32" finaliser: well-mixed bits from a counter. */
static uint32_t hash(uint32_t v)
{
    v = (v ^ (v >> 16)) * 0x7feb352dU;
    v = (v ^ (v >> 15)) * 0x846ca68bU;
    return v ^ (v >> 16);
}

static double random_between(uint32_t *state, double low, double high)
{
    *state = hash(*state + 0x9e3779b9U);
    return low + (high - low) * *state / 4294967295.0;
}

static double lattice(int x, int y, int z)
{
    return hash((uint32_t)x * 73856093U ^ (uint32_t)y * 19349663U ^ (uint32_t)z * 83492791U) / 4294967295.0;
}

/* Value noise 0..1, one bump a unit. */
static double noise(vec p)
{
    const double fx = floor(p.x), fy = floor(p.y), fz = floor(p.z);
    const int x = (int)fx, y = (int)fy, z = (int)fz;
    double u = p.x - fx, v = p.y - fy, w = p.z - fz, plane[2];
    u *= u * (3 - 2 * u);
    v *= v * (3 - 2 * v);
    w *= w * (3 - 2 * w);
    for (int k = 0; k < 2; k++) {
        const double top = lattice(x, y, z + k) * (1 - u) + lattice(x + 1, y, z + k) * u;
        const double bottom = lattice(x, y + 1, z + k) * (1 - u) + lattice(x + 1, y + 1, z + k) * u;
        plane[k] = top * (1 - v) + bottom * v;
    }
    return plane[0] * (1 - w) + plane[1] * w;
}

/* 0..1 over the surface. Soft on purpose: a forward warp interpolates linearly, and what is compared is
 * geometry, not the warp's frequency response. */
static double pattern_at(const object *o, vec p, vec normal)
{
    const vec q = scale(p, 1 / o->period);
    const double grain = 0.6 * noise(scale(q, 1.7)) + 0.4 * noise(scale(q, 4));
    const double turn = 6.283185307179586;
    double u = q.x, v = q.y;
    switch (o->pattern) {
    case NOISE:
        return grain;
    case STRIPES:
        return 0.65 * (0.5 + 0.5 * sin(turn * (0.8 * q.x + 0.5 * q.y + 0.6 * q.z))) + 0.35 * grain;
    case CHECKER:
        if (fabs(normal.x) > 0.5)
            u = q.z;
        else if (fabs(normal.y) > 0.5)
            v = q.z;
        break;
    }
    return 0.65 * (0.5 + 0.5 * tanh(2 * sin(turn * u) * sin(turn * v))) + 0.35 * grain;
}

/* Slabs; a room is hit where the ray leaves it. */
static bool hit_box(const object *o, vec from, vec d, hit *h)
{
    const double p[3] = { o->centre.x - from.x, o->centre.y - from.y, o->centre.z - from.z };
    const double s[3] = { o->size.x, o->size.y, o->size.z }, v[3] = { d.x, d.y, d.z };
    double in = -INFINITY, out = INFINITY;
    int axis_in = 0, axis_out = 0;
    for (int i = 0; i < 3; i++) {
        const double r = 1 / (fabs(v[i]) > 1e-12 ? v[i] : 1e-12);
        const double a = p[i] * r - s[i] * fabs(r), b = p[i] * r + s[i] * fabs(r);
        if (a > in) {
            in = a;
            axis_in = i;
        }
        if (b < out) {
            out = b;
            axis_out = i;
        }
    }
    const double t = o->shape == ROOM ? out : in;
    const int axis = o->shape == ROOM ? axis_out : axis_in;
    if (in >= out || t <= 0 || t >= h->t)
        return false;
    double n[3] = { 0 };
    n[axis] = v[axis] > 0 ? -1 : 1;
    *h = (hit){ .t = t, .object = o, .normal = { n[0], n[1], n[2] } };
    return true;
}

/* Sphere and pole: a quadratic, without the y terms for a pole. */
static bool hit_round(const object *o, vec from, vec d, hit *h)
{
    vec p = sub(from, o->centre), v = d;
    const bool pole = o->shape == POLE;
    if (pole)
        p.y = v.y = 0;
    const double a = dot(v, v), b = dot(p, v), c = dot(p, p) - o->size.x * o->size.x, q = b * b - a * c;
    if (q <= 0)
        return false;
    const double t = (-b - sqrt(q)) / a;
    if (t <= 0 || t >= h->t || (pole && fabs(from.y + t * d.y - o->centre.y) > o->size.y))
        return false;
    *h = (hit){ .t = t, .object = o, .normal = scale(add(p, scale(v, t)), 1 / o->size.x) };
    return true;
}

static hit cast(const world *w, vec from, vec d, double limit)
{
    hit h = { .t = limit };
    for (int i = 0; i < w->objects; i++) {
        const object *o = &w->object[i];
        if (o->shape == ROOM || o->shape == BOX)
            hit_box(o, from, d, &h);
        else
            hit_round(o, from, d, &h);
    }
    return h;
}

/* Matt shading under one square lamp; sample picks the point of the lamp, so that shadows are soft. */
static vec shade(const world *w, const hit *h, vec p, int sample)
{
    const vec spot = { 0.12 * (sample % GRID - 1), 0, 0.12 * (sample / GRID - 1) };
    const vec to = sub(add(w->lamp, spot), p);
    const double facing = dot(unit(to), h->normal);
    double light = 0.5;
    /* the surface itself is stepped over, the lamp hangs just under the ceiling */
    if (facing > 0 && !cast(w, add(p, scale(h->normal, 1e-4)), to, 1).object)
        light += 0.55 * facing;
    const double m = pattern_at(h->object, sub(p, h->object->centre), h->normal);
    return scale(mix(h->object->dark, h->object->light, m), light);
}

/* One call a statement: C leaves the order of evaluation within an initialiser open. */
static vec colour(uint32_t *r, double low, double high)
{
    const double red = random_between(r, low, high);
    const double green = random_between(r, low, high);
    const double blue = random_between(r, low, high);
    return (vec){ red, green, blue };
}

static object *put(world *w, uint32_t *r, enum shape shape, enum pattern pattern, vec centre, vec size)
{
    object *o = &w->object[w->objects++];
    assert(w->objects <= MAX_OBJECTS);
    *o = (object){ .shape = shape, .pattern = pattern, .centre = centre, .size = size, .period = 0.35 };
    o->dark = colour(r, 0.1, 0.5);
    o->light = add(o->dark, colour(r, 0.15, 0.4));
    return o;
}

static void furnish(world *w, uint32_t *r)
{
    const double side = random_between(r, 0, 1) < 0.5 ? -1 : 1; /* mirrors the room */
    object *o = put(w, r, ROOM, CHECKER, (vec){ 0, -0.4, 3.25 }, (vec){ 3.6, 1.5, 4.25 });
    o->period = 1.1;

    const double aside = random_between(r, 0, 0.5), depth = random_between(r, 3.8, 4.2);
    const vec table = { side * aside, 0.42, depth };
    put(w, r, BOX, NOISE, table, (vec){ 0.95, 0.035, 0.5 })->period = 0.25;
    const double leg = (FLOOR_Y - table.y) / 2;
    for (int i = 0; i < 4; i++) {
        const vec foot = { table.x + (i % 2 ? 0.87 : -0.87), table.y + leg,
                           table.z + (i / 2 ? 0.42 : -0.42) };
        put(w, r, BOX, NOISE, foot, (vec){ 0.04, leg, 0.04 });
    }
    const double ball = random_between(r, 0.18, 0.26), block = random_between(r, 0.12, 0.2);
    const vec on_table = { table.x - side * 0.45, table.y - 0.035, table.z };
    put(w, r, SPHERE, STRIPES, (vec){ on_table.x, on_table.y - ball, on_table.z }, (vec){ ball, 0, 0 });
    o = put(w, r, BOX, STRIPES, (vec){ table.x + side * 0.35, on_table.y - block, table.z - 0.1 },
            (vec){ block, block, block });
    o->travel = (vec){ 0.25, 0, 0 };
    o->rate = 1.6;

    /* at the back: a cupboard and a column; in front: a thin pole and two moving balls */
    put(w, r, BOX, CHECKER, (vec){ side * -2, 0.2, 6.6 }, (vec){ 0.6, 0.9, 0.5 })->period = 0.7;
    put(w, r, POLE, STRIPES, (vec){ side * 2, -0.4, 6.2 }, (vec){ 0.3, 1.5, 0 })->period = 0.6;
    put(w, r, POLE, NOISE, (vec){ side * random_between(r, 0.55, 0.75), -0.4, 2.6 }, (vec){ 0.03, 1.5, 0 });
    o = put(w, r, SPHERE, NOISE, (vec){ side * random_between(r, -0.75, -0.6), 0.42, 2.3 },
            (vec){ 0.2, 0, 0 });
    o->travel = (vec){ 0.2, -0.12, 0.1 };
    o->rate = 2.2;
    o->phase = random_between(r, 0, 6);
    o = put(w, r, SPHERE, STRIPES, (vec){ 0.3, -0.75, 5.2 }, (vec){ 0.35, 0, 0 });
    o->travel = (vec){ 1.1, 0.1, 0.5 };
    o->rate = 0.9;
    o->phase = random_between(r, 0, 6);
    w->lamp = (vec){ side * random_between(r, 0.5, 1.5), -1.8, 2.2 };
}

static int shot_of(const sc_scene *s, int frame)
{
    return (int)((int64_t)frame * s->shots / s->frames);
}

static world world_at(const sc_scene *s, int frame)
{
    uint32_t r = hash(s->seed * 1000003U + (uint32_t)shot_of(s, frame) * 7919U + 1);
    const double seconds = (double)frame / SC_SCENE_FPS;
    world w = { 0 };
    furnish(&w, &r);
    for (int i = 0; i < w.objects; i++) {
        object *o = &w.object[i];
        o->centre = add(o->centre, scale(o->travel, sin(o->rate * seconds + o->phase)));
    }
    const double phase = random_between(&r, 0, 6);
    const double yaw = 0.03 * sin(0.5 * seconds + phase), pitch = 0.12;
    w.camera =
        (vec){ 0.12 * sin(0.7 * seconds + phase), 0.02 * sin(1.3 * seconds), 0.1 * sin(0.4 * seconds) };
    w.right = (vec){ cos(yaw), 0, -sin(yaw) };
    w.forward = (vec){ sin(yaw) * cos(pitch), sin(pitch), cos(yaw) * cos(pitch) };
    w.down = (vec){ -sin(yaw) * sin(pitch), cos(pitch), -cos(yaw) * sin(pitch) };
    return w;
}

int sc_scene_is_cut(const sc_scene *s, int frame)
{
    return frame == 0 || shot_of(s, frame) != shot_of(s, frame - 1);
}

/* How the two eyes see, in picture widths: an eye at offset e sees a camera-space point (X, Y, Z) at
 * x = FOCAL * (X - e * base) / Z + e * shift from the middle. */
static double eye_base(void)
{
    return SC_SCENE_MAX_DISPARITY / 100 / (1 / NEAR_Z - 1 / FAR_Z) / FOCAL;
}

static double eye_shift(void)
{
    const double plane = 1 / FAR_Z + SC_SCENE_CONVERGENCE * (1 / NEAR_Z - 1 / FAR_Z);
    return eye_base() * FOCAL * plane;
}

typedef struct view {
    const world *world;
    double eye, aspect; /* aspect: height / width */
} view;

/* The ray through (x, y), in widths from the middle: its parameter t is the depth along the camera's axis. */
static void ray(const view *v, double x, double y, vec *from, vec *d)
{
    const world *w = v->world;
    *from = add(w->camera, scale(w->right, v->eye * eye_base()));
    const double dx = (x - v->eye * eye_shift()) / FOCAL, dy = y / FOCAL;
    *d = add(add(scale(w->right, dx), scale(w->down, dy)), w->forward);
}

static bool left_eye_sees(const view *v, vec p)
{
    const world *w = v->world;
    const vec to = sub(p, w->camera);
    const double z = dot(to, w->forward);
    if (fabs(FOCAL * dot(to, w->right) / z) > 0.5 || fabs(FOCAL * dot(to, w->down) / z) > 0.5 * v->aspect)
        return false;
    return !cast(w, w->camera, scale(to, 1 / z), z - 1e-4).object;
}

static float disparity_at(const view *v, double x, double y)
{
    vec from, d;
    ray(v, x, y, &from, &d);
    const double z = cast(v->world, from, d, INFINITY).t;
    assert(z >= NEAR_Z && z <= FAR_Z);
    return (float)((1 / z - 1 / FAR_Z) / (1 / NEAR_Z - 1 / FAR_Z));
}

void sc_scene_render(const sc_scene *s, int frame, double eye, float *rgb, float *disparity, uint8_t *unseen)
{
    const world w = world_at(s, frame);
    const view v = { .world = &w, .eye = eye, .aspect = (double)s->height / s->width };
    const double pixel = 1.0 / s->width;

#pragma omp parallel for schedule(dynamic, 4)
    for (int row = 0; row < s->height; row++) {
        for (int col = 0; col < s->width; col++) {
            const size_t at = (size_t)row * s->width + col;
            const double x = (col + 0.5) * pixel - 0.5, y = (row + 0.5) * pixel - 0.5 * v.aspect;
            vec sum = { 0 };
            bool hidden = false;
            for (int i = 0; (rgb || unseen) && i < GRID * GRID; i++) {
                vec from, d;
                ray(&v, x + (i % GRID - (GRID - 1) / 2.0) / GRID * pixel,
                    y + (i / GRID - (GRID - 1) / 2.0) / GRID * pixel, &from, &d);
                const hit h = cast(&w, from, d, INFINITY);
                const vec p = add(from, scale(d, h.t));
                if (rgb)
                    sum = add(sum, shade(&w, &h, p, i));
                hidden = hidden || (unseen && !left_eye_sees(&v, p));
            }
            if (rgb) {
                sum = scale(sum, 1.0 / (GRID * GRID));
                rgb[3 * at] = (float)fmin(sum.x, 1);
                rgb[3 * at + 1] = (float)fmin(sum.y, 1);
                rgb[3 * at + 2] = (float)fmin(sum.z, 1);
            }
            if (disparity)
                disparity[at] = disparity_at(&v, x, y);
            if (unseen)
                unseen[at] = hidden;
        }
    }
}
