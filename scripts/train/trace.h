// What a ray meets first: the shapes, the tree over them, the ground and the room.
#pragma once

#include "texture.h"

enum { HIT_NOTHING = -1, HIT_GROUND = -2, HIT_WALL = -3 }; // HIT_WALL - i: wall i of the room

struct Hit {
    float t;
    int what;           // a primitive, or one of the above
    vec3 local, normal; // point and normal in the surface's own axes
    vec3 facing;        // the normal in the world's axes, towards the ray
};

struct Ray { // in a shape's own axes; hits count between low and high
    vec3 from, along;
    float low, high;
};

BOTH vec3 point_at(const Ray &r, float t)
{
    return r.from + r.along * t;
}

BOTH bool within(const Ray &r, float t)
{
    return t > r.low && t < r.high;
}

BOTH vec3 ellipsoid_normal(vec3 p, vec3 half)
{
    return unit(p / (half * half));
}

BOTH bool meet_ellipsoid(const Ray &r, vec3 half, float t[2])
{
    const vec3 o = r.from / half, d = r.along / half;
    const float a = dot(d, d), b = dot(o, d), q = b * b - a * (dot(o, o) - 1);

    if (q < 0)
        return false;
    t[0] = (-b - sqrtf(q)) / a;
    t[1] = (-b + sqrtf(q)) / a;
    return true;
}

// Where the ray enters and leaves [-half, half]; axis of the side it enters by.
BOTH bool meet_box(const Ray &r, vec3 half, float *in, float *out, int *axis)
{
    const float from[3] = { r.from.x, r.from.y, r.from.z }, along[3] = { r.along.x, r.along.y, r.along.z };
    const float size[3] = { half.x, half.y, half.z };

    *in = -1e30f;
    *out = 1e30f;
    for (int i = 0; i < 3; i++) {
        const float inverse = 1 / (fabsf(along[i]) > 1e-9f ? along[i] : 1e-9f);
        const float middle = -from[i] * inverse, reach = size[i] * fabsf(inverse);

        if (middle - reach > *in) {
            *in = middle - reach;
            *axis = i;
        }
        *out = fminf(*out, middle + reach);
    }
    return *in <= *out && *out > r.low && *in < r.high;
}

BOTH bool meet_cone(const Ray &r, const Primitive &p, float *t, vec3 *normal)
{
    const vec3 o = r.from, d = r.along;
    const float k = p.taper, radius = p.half.x + k * o.y;
    const float a = d.x * d.x + d.z * d.z - k * k * d.y * d.y, b = o.x * d.x + o.z * d.z - k * radius * d.y;
    const float q = b * b - a * (o.x * o.x + o.z * o.z - radius * radius);

    *t = r.high;
    if (fabsf(a) > 1e-9f && q >= 0) {
        for (int i = 0; i < 2; i++) {
            const float s = (-b + (i ? sqrtf(q) : -sqrtf(q))) / a;
            const vec3 at = point_at(r, s);
            const float width = p.half.x + k * at.y;

            if (s > r.low && s < *t && fabsf(at.y) <= p.half.y && width >= 0) {
                *t = s;
                *normal = unit({ at.x, -k * width, at.z });
            }
        }
    }
    for (int side = -1; side <= 1 && fabsf(d.y) > 1e-8f; side += 2) {
        const float s = ((float)side * p.half.y - o.y) / d.y, width = p.half.x + k * (float)side * p.half.y;
        const vec3 at = point_at(r, s);

        if (s > r.low && s < *t && at.x * at.x + at.z * at.z < width * width) {
            *t = s;
            *normal = { 0, (float)side, 0 };
        }
    }
    return *t < r.high;
}

BOTH bool meet_capsule(const Ray &r, const Primitive &p, float *t, vec3 *normal)
{
    const vec3 o = r.from, d = r.along;
    const float radius = p.half.x, a = d.x * d.x + d.z * d.z, b = o.x * d.x + o.z * d.z;
    const float q = b * b - a * (o.x * o.x + o.z * o.z - radius * radius);

    *t = r.high;
    if (q < 0)
        return false;
    if (a > 1e-9f) {
        const float s = (-b - sqrtf(q)) / a;
        const vec3 at = point_at(r, s);

        if (within(r, s) && fabsf(at.y) <= p.half.y) {
            *t = s;
            *normal = unit({ at.x, 0, at.z });
        }
    }
    for (int side = -1; side <= 1; side += 2) {
        const vec3 c = { o.x, o.y - (float)side * p.half.y, o.z };
        const float e = dot(c, d), f = e * e - dot(c, c) + radius * radius, s = -e - sqrtf(fmaxf(f, 0));

        if (f >= 0 && s > r.low && s < *t && point_at(r, s).y * (float)side >= p.half.y) {
            *t = s;
            *normal = unit(c + d * s);
        }
    }
    return *t < r.high;
}

BOTH float smooth_union(float a, float b, float k)
{
    const float h = clamp(0.5f + 0.5f * (b - a) / k, 0, 1);
    return mix(b, a, h) - k * h * (1 - h);
}

BOTH float to_blob(vec3 p, vec3 centre, vec3 radius)
{
    const vec3 q = (p - centre) / radius;
    const float k = length(q);

    return k * (k - 1) / (length(q / radius) + 1e-6f);
}

// Distance to a head within -1..1, face towards +z; bent says how far it departs from the mean head.
BOTH float to_head(vec3 p, float bent)
{
    const float out = length(p) - 1.1f;

    if (out > 0.2f)
        return out; // far off, a ball will do
    p.x = fabsf(p.x);
    float d = to_blob(p, { 0, 0.3f, -0.12f }, { 0.68f, 0.68f, 0.78f });

    d = smooth_union(d, to_blob(p, { 0, -0.25f, 0.12f }, { 0.55f + 0.1f * bent, 0.7f, 0.58f }), 0.15f);
    d = smooth_union(d, to_blob(p, { 0, -0.82f, 0.42f }, { 0.2f, 0.16f, 0.2f }), 0.15f);
    d = smooth_union(d, to_blob(p, { 0.34f, -0.12f, 0.42f }, { 0.22f, 0.2f, 0.22f }), 0.12f);
    d = smooth_union(d, to_blob(p, { 0.24f, 0.32f, 0.58f }, { 0.24f, 0.08f, 0.12f }), 0.1f);
    d = -smooth_union(-d, to_blob(p, { 0.28f, 0.09f, 0.84f }, { 0.15f, 0.1f, 0.14f }), 0.1f);
    d = smooth_union(d, to_blob(p, { 0.28f, 0.08f, 0.56f }, { 0.12f, 0.11f, 0.12f }), 0.02f);
    d = smooth_union(d, to_blob(p, { 0, -0.02f, 0.72f }, { 0.07f, 0.22f, 0.12f }), 0.1f);
    d = smooth_union(d, to_blob(p, { 0, -0.2f, 0.78f + 0.06f * bent }, { 0.12f, 0.08f, 0.14f }), 0.08f);
    d = smooth_union(d, to_blob(p, { 0, -0.5f, 0.64f }, { 0.22f, 0.07f, 0.1f }), 0.06f);
    return smooth_union(d, to_blob(p, { 0.7f, 0.02f, -0.05f }, { 0.06f, 0.2f, 0.13f }), 0.04f);
}

BOTH float to_surface(const Primitive &p, vec3 at)
{
    if (p.shape == TORUS) {
        const float ring = hypotf(at.x, at.z) - (p.half.x - p.half.y);
        return hypotf(ring, at.y) - p.half.y;
    }
    return to_head(at / p.half, p.taper) * fminf(p.half.x, fminf(p.half.y, p.half.z));
}

// Steps along the ray by the distance to the surface, 48 at most: enough for these shapes seen from outside.
BOTH bool meet_distance(const Ray &r, const Primitive &p, float *t, vec3 *normal)
{
    const float near = 3e-4f * p.bound, e = 2e-3f * p.bound;
    float in, out;
    int axis;

    if (!meet_box(r, p.half * 1.05f, &in, &out, &axis))
        return false;
    *t = fmaxf(in, r.low);
    out = fminf(out, r.high);
    for (int i = 0; i < 48 && *t < out; i++) {
        const float d = to_surface(p, point_at(r, *t));

        if (d < near) {
            const vec3 at = point_at(r, *t),
                       corner[4] = { { 1, -1, -1 }, { -1, -1, 1 }, { -1, 1, -1 }, { 1, 1, 1 } };

            *normal = { 0, 0, 0 };
            for (vec3 c : corner) // differences along a tetrahedron's corners
                *normal = *normal + c * to_surface(p, at + c * e);
            *normal = unit(*normal);
            return true;
        }
        *t += d;
    }
    return false;
}

BOTH float relief_height(const Primitive &p, uint32_t seed, float x, float z)
{
    return p.half.y * (2 * relief_at(p.relief, x * p.grain, z * p.grain, seed) - 1);
}

// Steps along the ray until below the height field, then halves the last step.
BOTH bool meet_relief(const Ray &r, const Primitive &p, uint32_t seed, float *t, vec3 *normal)
{
    float in, out, before;
    int axis;

    if (!meet_box(r, p.half, &in, &out, &axis))
        return false;
    bool over = in > r.low; // a ray from the surface itself may begin a little below it
    *t = before = fmaxf(in, r.low);
    out = fminf(out, r.high);
    for (int i = 0; i < 64 && *t < out; i++) {
        const vec3 at = point_at(r, *t);
        const float above = at.y - relief_height(p, seed, at.x, at.z);

        over |= above >= 0;
        if (above < 0 && over) {
            for (int k = 0; k < 6 && i; k++) {
                const vec3 half_way = point_at(r, 0.5f * (*t + before));
                const bool below = half_way.y < relief_height(p, seed, half_way.x, half_way.z);

                *(below ? t : &before) = 0.5f * (*t + before);
            }
            const vec3 hit = point_at(r, *t);
            const float e = 0.05f / p.grain + 0.002f * *t;
            const float dx =
                relief_height(p, seed, hit.x + e, hit.z) - relief_height(p, seed, hit.x - e, hit.z);
            const float dz =
                relief_height(p, seed, hit.x, hit.z + e) - relief_height(p, seed, hit.x, hit.z - e);

            *normal = unit({ -dx, 2 * e, -dz });
            return true;
        }
        before = *t;
        *t += fmaxf(0.35f * fabsf(above), 0.03f / p.grain + 0.012f * *t);
    }
    return false;
}

BOTH vec3 to_local(const Primitive &p, vec3 v)
{
    return { dot(p.axis[0], v), dot(p.axis[1], v), dot(p.axis[2], v) };
}

BOTH vec3 to_world(const Primitive &p, vec3 v)
{
    return p.axis[0] * v.x + p.axis[1] * v.y + p.axis[2] * v.z;
}

// Meets p between low and h->t. spread: what a pixel covers at distance 1. rough: as shadows see it, where a
// head is a ball that does not shade itself, since its distance is dear.
BOTH bool meet(const Scene &s, int index, vec3 from, vec3 along, float low, float spread, bool rough, Hit *h)
{
    const Primitive &p = s.primitive[index];
    const Material &m = s.material[p.material];
    const vec3 centre = p.centre - from;
    const float nearest = dot(centre, along);

    if (dot(centre, centre) - nearest * nearest > p.bound * p.bound)
        return false;

    const Ray r = { to_local(p, from - p.centre), to_local(p, along), low, h->t };
    float t[2] = { 0, 0 }, out;
    vec3 normal = { 0, 0, 0 };
    int axis = 0, crossings = 1;

    switch (p.shape) {
    case ELLIPSOID:
        if (!meet_ellipsoid(r, p.half, t))
            return false;
        crossings = 2;
        break;
    case BOX:
        if (!meet_box(r, p.half, &t[0], &out, &axis))
            return false;
        (axis == 0 ? normal.x : axis == 1 ? normal.y : normal.z) = 1;
        break;
    case CONE:
        if (!meet_cone(r, p, &t[0], &normal))
            return false;
        break;
    case CAPSULE:
        if (!meet_capsule(r, p, &t[0], &normal))
            return false;
        break;
    case CARD:
        t[0] = fabsf(r.along.z) > 1e-8f ? -r.from.z / r.along.z : -1;
        normal.z = 1;
        if (fabsf(point_at(r, t[0]).x) > p.half.x || fabsf(point_at(r, t[0]).y) > p.half.y)
            return false;
        break;
    case RELIEF:
        if (!meet_relief(r, p, m.seed, &t[0], &normal))
            return false;
        break;
    default:
        if (rough && p.shape == HEAD ? !meet_ellipsoid(r, p.half * 0.9f, t)
                                     : !meet_distance(r, p, &t[0], &normal))
            return false;
    }
    for (int i = 0; i < crossings; i++) {
        const vec3 at = point_at(r, t[i]);

        if (!within(r, t[i]) || (m.cutout != SOLID && !is_solid(m, at, p.half, spread * t[i])))
            continue;
        if (p.shape == ELLIPSOID)
            normal = ellipsoid_normal(at, p.half);
        h->t = t[i];
        h->what = index;
        h->local = at;
        h->normal = dot(normal, r.along) > 0 ? normal * -1 : normal;
        return true;
    }
    return false;
}

BOTH void meet_surroundings(const Scene &s, vec3 from, vec3 along, Hit *h)
{
    if (s.has_room) {
        const vec3 o = turn_y(from - s.room, -s.room_yaw), d = turn_y(along, -s.room_yaw);
        const float from3[3] = { o.x, o.y, o.z }, along3[3] = { d.x, d.y, d.z };
        const float half[3] = { s.room_half.x, s.room_half.y, s.room_half.z };
        float best = 1e30f;
        int wall = -1;

        for (int i = 0; i < 3; i++) {
            const int up = along3[i] > 0;
            const float t =
                fabsf(along3[i]) > 1e-7f ? ((up ? half[i] : -half[i]) - from3[i]) / along3[i] : -1;

            if (t > 0 && t < best) {
                best = t;
                wall = 2 * i + up;
            }
        }
        if (wall >= 0 && !((s.open >> wall) & 1) && best < h->t) {
            const float towards = wall & 1 ? -1.0f : 1.0f;

            h->t = best;
            h->what = HIT_WALL - wall;
            h->local = o + d * best;
            h->normal = { wall / 2 == 0 ? towards : 0, wall / 2 == 1 ? towards : 0,
                          wall / 2 == 2 ? towards : 0 };
            h->facing = turn_y(h->normal, s.room_yaw);
        }
    }
    if (s.has_ground && along.y < -1e-5f) {
        const float t = -from.y / along.y;

        if (t > 0 && t < h->t && t < 4000) {
            h->t = t;
            h->what = HIT_GROUND;
            h->local = from + along * t;
            h->normal = h->facing = { 0, 1, 0 };
        }
    }
}

// How far the ray goes before it enters the node, 1e30 if it does not.
BOTH float entry(const Node &n, vec3 from, vec3 inverse)
{
    const vec3 a = (n.low - from) * inverse, b = (n.high - from) * inverse;
    const float in = fmaxf(fmaxf(fminf(a.x, b.x), fminf(a.y, b.y)), fmaxf(fminf(a.z, b.z), 0));
    const float out = fminf(fminf(fmaxf(a.x, b.x), fmaxf(a.y, b.y)), fmaxf(a.z, b.z));

    return in <= out ? in : 1e30f;
}

// Walks the tree, the nearer child first; with `shadow`, any primitive that casts one will do.
BOTH void meet_primitives(const Scene &s, vec3 from, vec3 along, float spread, bool shadow, Hit *h)
{
    const float low = shadow ? 0.004f : 0.02f;
    const vec3 inverse = { 1 / (fabsf(along.x) > 1e-9f ? along.x : 1e-9f),
                           1 / (fabsf(along.y) > 1e-9f ? along.y : 1e-9f),
                           1 / (fabsf(along.z) > 1e-9f ? along.z : 1e-9f) };
    int stack[16], depth = 0, at = 0; // the tree is balanced: 9 levels over 512 primitives
    float distance[16];

    if (!s.nodes || entry(s.node[0], from, inverse) >= h->t)
        return;
    for (;;) {
        const Node &n = s.node[at];

        if (n.count) {
            for (int i = n.next; i < n.next + n.count; i++)
                if ((!shadow || s.primitive[i].casts) && meet(s, i, from, along, low, spread, shadow, h) &&
                    shadow)
                    return;
        } else {
            const float left = entry(s.node[at + 1], from, inverse),
                        right = entry(s.node[n.next], from, inverse);
            const bool swap = right < left;

            if (fmaxf(left, right) < h->t) {
                stack[depth] = swap ? at + 1 : n.next;
                distance[depth++] = fmaxf(left, right);
            }
            if (fminf(left, right) < h->t) {
                at = swap ? n.next : at + 1;
                continue;
            }
        }
        do {
            if (!depth)
                return;
            at = stack[--depth];
        } while (distance[depth] >= h->t);
    }
}

BOTH Hit trace(const Scene &s, vec3 from, vec3 along, float spread)
{
    Hit h = { 1e30f, HIT_NOTHING, {}, {}, {} };

    meet_surroundings(s, from, along, &h);
    meet_primitives(s, from, along, spread, false, &h);
    if (h.what >= 0)
        h.facing = to_world(s.primitive[h.what], h.normal);
    return h;
}

// Whether something that casts shadows lies between.
BOTH bool is_blocked(const Scene &s, vec3 from, vec3 along, float distance)
{
    Hit h = { distance, HIT_NOTHING, {}, {}, {} };

    meet_primitives(s, from, along, 0, true, &h);
    return h.what >= 0;
}
