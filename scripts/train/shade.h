// Light: from a hit to a colour, and from a pixel to its colour, inverse depth and visibility from the left
// eye.
#pragma once

#include "trace.h"

BOTH vec3 sky(const Scene &s, vec3 d)
{
    vec3 colour = mix(s.sky_low, s.sky_high, powf(clamp(d.y, 0, 1), 0.55f));

    if (s.cloud_cover > 0 && d.y > 0.01f) {
        const float far = 1 / (d.y + 0.12f), fine = 0.02f * far * s.cloud_scale;
        const vec3 at = vec3{ d.x, 0, d.z } * (far * s.cloud_scale) + vec3{ 0, 1.3f, 0 };
        const float mass = fractal(at, 6, fine, s.seed + 400);
        const float cover =
            smoothstep(1 - s.cloud_cover, 1.15f - 0.7f * s.cloud_cover, mass) * smoothstep(0, 0.12f, d.y);
        const float lit =
            1.15f - s.cloud_depth * fractal(at + s.key_direction * 0.25f, 4, fine, s.seed + 400);

        colour =
            mix(colour, mix(s.sky_low, grey(0.6f * length(s.sky_low) + 0.25f), 0.7f) * lit, 0.9f * cover);
    }
    if (s.stars > 0 && d.y > 0) {
        const vec3 q = d * 90;
        const float star = lattice((int)floorf(q.x), (int)floorf(q.y), (int)floorf(q.z), s.seed);

        colour = colour + grey(star > 0.993f ? s.stars : 0);
    }
    if (!s.key_is_lamp) {
        const float towards = fmaxf(dot(d, s.key_direction), 0);

        colour = colour + s.sun_colour * (s.sun_glow * (0.25f * powf(towards, 8) + 4 * powf(towards, 300)));
    }
    return colour;
}

struct Surface {
    const Material *material;
    vec3 position, normal, colour;
};

BOTH int material_at(const Scene &s, const Hit &h)
{
    if (h.what >= 0)
        return s.primitive[h.what].material;
    if (h.what != HIT_GROUND)
        return s.wall[HIT_WALL - h.what];
    return s.road_half > 0 && fabsf(turn_y(h.local, -s.road_yaw).x) < s.road_half ? s.road : s.ground;
}

// Painted lines and kerbs.
BOTH vec3 road_marks(const Scene &s, vec3 colour, vec3 p, float footprint)
{
    const vec3 q = turn_y(p, -s.road_yaw);
    const float x = fabsf(q.x), width = 0.07f + 0.3f * footprint;
    const bool edge = fabsf(x - 0.94f * s.road_half) < width,
               middle = x < width && fraction(0.15f * q.z) < 0.45f;

    if (edge || middle)
        colour = mix(colour, grey(0.75f), 0.8f * 0.07f / width);
    return x > s.road_half && x < s.road_half + 0.15f ? colour * 0.6f : colour;
}

BOTH Surface surface_at(const Scene &s, const Hit &h, vec3 from, vec3 along, float spread)
{
    const Material &m = s.material[material_at(s, h)];
    const float slant = fmaxf(fabsf(dot(h.facing, along)), 0.08f), footprint = spread * h.t / sqrtf(slant);
    const vec3 offset = m.pattern == PICTURE || m.pattern == FACE
                            ? vec3{ 0, 0, 0 }
                            : vec3{ 0.37f * (float)(m.seed & 255), 0.29f * (float)((m.seed >> 8) & 255),
                                    0.41f * (float)((m.seed >> 16) & 255) };
    const vec3 half = h.what >= 0 ? s.primitive[h.what].half : s.room_half;
    const float keep = m.bump > 0 ? 1 - smoothstep(0.2f, 0.8f, footprint * m.bump_scale) : 0;
    Surface f = { &m, from + along * h.t, h.facing,
                  colour_at(m, h.local + offset, h.normal, half, footprint) };

    if (h.what == HIT_GROUND && s.road_half > 0)
        f.colour = road_marks(s, f.colour, h.local, footprint);
    if (keep > 0) {
        const vec3 p = h.local * m.bump_scale, q = p * 2.7f;
        const vec3 coarse = { noise(p, m.seed + 11), noise(p, m.seed + 12), noise(p, m.seed + 13) };
        const vec3 fine = { noise(q, m.seed + 14), noise(q, m.seed + 15), noise(q, m.seed + 16) };

        f.normal = unit(f.normal + (coarse - grey(0.5f) + (fine - grey(0.5f)) * 0.6f) * (2 * m.bump * keep));
        if (dot(f.normal, along) > 0)
            f.normal = unit(f.normal - along * (1.02f * dot(f.normal, along)));
    }
    return f;
}

// Light from all around if nothing is near.
BOTH vec3 open_light(const Scene &s, vec3 normal)
{
    return mix(s.ambient_down, s.ambient_up, 0.5f + 0.5f * normal.y);
}

// Light from all around: one ray finds what is near and what colour it throws back.
BOTH vec3 ambient(const Scene &s, const Surface &f, vec3 scatter)
{
    const vec3 d = unit(f.normal * 1.001f + scatter); // cosine-distributed
    const vec3 open = open_light(s, f.normal);
    const float reach = s.has_room ? 1.2f : 2.5f;
    Hit h = { reach, HIT_NOTHING, {}, {}, {} };

    meet_surroundings(s, f.position + f.normal * 1e-3f, d, &h);
    meet_primitives(s, f.position + f.normal * 2e-3f, d, 0.1f, true, &h);
    if (h.what == HIT_NOTHING)
        return open;
    const Material &near = s.material[material_at(s, h)];
    const vec3 thrown = open * mix(near.a, near.b, 0.3f) * 0.8f + near.a * fminf(near.emission, 1);

    return mix(thrown, open, smoothstep(0, reach, h.t));
}

BOTH float lamp_falloff(float distance)
{
    return 1 / (0.3f + 0.12f * distance * distance);
}

BOTH vec3 highlight(const Material &m, vec3 normal, vec3 light, vec3 along)
{
    return grey(m.gloss * powf(fmaxf(dot(normal, unit(light - along)), 0), m.shininess));
}

BOTH float toon_bands(float x)
{
    return x < 0.15f ? 0.0f : x < 0.55f ? 0.45f : 0.9f;
}

BOTH float sum_of(vec3 c)
{
    return c.x + c.y + c.z;
}

// What one ray each tells of light: its share of the open sky's, and of the key light. Both are grainy, the
// rest is exact; smoothed() in render.cu takes the grain out.
struct Grainy {
    float around, key;            // the shares
    float open, key_light, lamps; // light that they are shares of, and other light
    uint32_t surface;             // which surface, and where it faces; 0: nothing to smooth
};

struct Light { // what falls on a surface and what it throws back as a highlight
    vec3 diffuse, shine;
    int what; // of which surface
    Grainy grainy;
};

// scatter: a point on the unit sphere, by which rays are spread.
BOTH Light light_on(const Scene &s, const Surface &f, const Hit &h, vec3 along, float spread, vec3 scatter)
{
    const Material &m = *f.material;
    const vec3 start = f.position + h.facing * (0.004f + 0.0015f * h.t);
    const vec3 around = s.toon ? mix(s.ambient_down, s.ambient_up, 0.7f) : ambient(s, f, scatter);
    Light light = { around, { 0, 0, 0 }, h.what, {} };
    vec3 towards = s.key_direction;
    float distance = 1e30f, strength = 1;

    if (s.key_is_lamp) {
        towards = s.key_position - f.position;
        distance = length(towards);
        towards = unit(towards);
        strength = lamp_falloff(distance);
    }
    const float facing = dot(f.normal, towards);

    light.grainy.open = sum_of(open_light(s, f.normal));
    light.grainy.around = sum_of(around) / (light.grainy.open + 1e-6f);
    if (facing > 0) {
        if (s.dapple > 0) {
            const vec3 u = unit(cross(towards, fabsf(towards.y) < 0.9f ? vec3{ 0, 1, 0 } : vec3{ 1, 0, 0 }));
            const vec3 q = vec3{ dot(f.position, u), dot(f.position, cross(towards, u)), 0 } * s.dapple_scale;

            strength *= 1 - s.dapple * smoothstep(0.56f, 0.42f,
                                                  fractal(q, 3, spread * h.t * s.dapple_scale, s.seed + 8));
        }
        const vec3 lit = s.key_colour * (strength * (s.toon ? toon_bands(facing) : facing));

        light.grainy.key_light = sum_of(lit);
        if (!is_blocked(s, start, unit(towards + scatter * (0.5f * s.key_softness)), distance)) {
            light.grainy.key = 1;
            light.diffuse = light.diffuse + lit;
            light.shine = light.shine + s.key_colour * highlight(m, f.normal, towards, along) * strength;
        }
    }
    for (int i = 0; i < s.lamps; i++) {
        const vec3 to = s.lamp[i].position - f.position;
        const float far = length(to), k = dot(f.normal, to) / (far + 1e-6f);

        if (k > 0) {
            light.diffuse = light.diffuse + s.lamp[i].colour * (k * lamp_falloff(far));
            light.grainy.lamps += sum_of(s.lamp[i].colour) * (k * lamp_falloff(far));
            light.shine =
                light.shine + s.lamp[i].colour * highlight(m, f.normal, unit(to), along) * lamp_falloff(far);
        }
    }
    return light;
}

// Colour along a ray that meets h first: mirrors and glass send it on, twice at most. *known is the light on
// the surface that the pixel's last sample met: colour needs more samples than light, which costs two rays.
BOTH vec3 radiance(const Scene &s, Hit h, vec3 from, vec3 along, float spread, Light *known, vec3 scatter)
{
    vec3 sum = { 0, 0, 0 }, weight = { 1, 1, 1 };
    const float haze = h.what == HIT_NOTHING ? 0 : 1 - expf(-s.fog * h.t);

    for (int bounce = 0;; bounce++) {
        if (h.what == HIT_NOTHING) {
            sum = sum + weight * sky(s, along);
            break;
        }
        const Surface f = surface_at(s, h, from, along, spread);
        const Material &m = *f.material;
        const float graze = powf(1 - fminf(fabsf(dot(f.normal, along)), 1), 5);
        const float mirrored = m.mirror > 0 ? m.mirror + (1 - m.mirror) * graze * 0.8f : 0;
        const float pass = m.clear * (1 - graze), share = pass > 0 ? pass : mirrored;

        if (bounce || known->what != h.what)
            *known = light_on(s, f, h, along, spread, scatter);
        const vec3 own = f.colour * known->diffuse + known->shine + f.colour * m.emission;

        if (bounce)
            known->what = HIT_NOTHING;
        if (share < 0.02f || bounce == 2) {
            sum = sum + weight * own;
            break;
        }
        sum = sum + weight * own * (1 - share);
        weight = weight * share;
        if (pass > 0) { // glass: straight through, tinted; its far side is met next
            weight = weight * mix(grey(1), f.colour, 0.3f);
            from = f.position + along * 1e-3f;
        } else {
            along = unit(along - f.normal * (2 * dot(along, f.normal)));
            from = f.position + h.facing * (0.004f + 0.0015f * h.t);
        }
        h = trace(s, from, along, spread);
    }
    return mix(sum, s.fog_colour, haze);
}

struct Pixel {
    vec3 colour;     // linear light
    float disparity; // 1 / depth along the camera's axis at the pixel's middle, 0 for the sky
    int unseen;      // the left eye does not see what is at the pixel's middle
    Grainy grainy;   // of the surface there
};

// 8 bits of which surface, 3 x 8 of where it faces.
BOTH uint32_t surface_of(int what, vec3 facing)
{
    const vec3 byte = facing * 127 + grey(128);

    return (hash((uint32_t)what + 77U) | 1U) << 24 | (uint32_t)byte.x << 16 | (uint32_t)byte.y << 8 |
           (uint32_t)byte.z;
}

BOTH vec3 ray_through(const Camera &c, float x, float y, int width, int height)
{
    return c.forward + c.right * ((2 * x / (float)width - 1) * c.tan_x) +
           c.up * ((1 - 2 * y / (float)height) * c.tan_y);
}

BOTH int is_unseen(const Scene &s, vec3 position, const Hit &h, int width)
{
    const Camera &c = s.camera;
    const vec3 to =
        h.what == HIT_NOTHING ? position : position - c.position; // the sky is as far for both eyes
    const float depth = dot(to, c.forward), distance = length(to), spread = 2 * c.tan_x / (float)width;

    if (fabsf(dot(to, c.right)) > depth * c.tan_x)
        return 1;
    const Hit first = trace(s, c.position, to * (1 / distance), spread);

    return h.what == HIT_NOTHING ? first.what != HIT_NOTHING : first.t < distance * 0.998f - 2e-3f;
}

// A point on the unit sphere for a pixel. The 16 of a 4x4 block share the sphere evenly: less grain than
// chance gives.
BOTH vec3 scatter_of(int x, int y, Random *random)
{
    const uint32_t block = hash((uint32_t)(x >> 2) * 7919U + (uint32_t)(y >> 2)); // or the pattern would show
    const int cell = (((x & 3) + 4 * (y & 3)) * 7 + (int)(block & 15)) & 15;
    const float z = ((float)cell + random->uniform()) / 8 - 1, ring = sqrtf(fmaxf(1 - z * z, 0));
    const float angle = 6.2832f * ((float)(cell * 5 & 15) + random->uniform()) / 16;

    return { ring * cosf(angle), ring * sinf(angle), z };
}

// The first of grid**2 samples goes through the pixel's middle and gives the disparity, the others are
// spread.
BOTH Pixel pixel_at(const Scene &s, float eye, int x, int y, int width, int height, int grid)
{
    const vec3 from = s.camera.position + s.camera.right * eye;
    const float spread = 2 * s.camera.tan_x / (float)width;
    const int samples = grid * grid;
    Random random = { hash((uint32_t)(x + y * width) * 9781U ^ s.seed) };
    Pixel p = {};
    Light known = { {}, {}, HIT_NOTHING, {} };
    vec3 scatter = scatter_of(x, y, &random);
    int first = 0, outline = 0;

    for (int i = 0; i < samples; i++) {
        const float dx = i ? ((float)(i % grid) + random.uniform()) / (float)grid : 0.5f;
        const float dy = i ? ((float)(i / grid) + random.uniform()) / (float)grid : 0.5f;
        const vec3 straight = ray_through(s.camera, (float)x + dx, (float)y + dy, width, height),
                   along = unit(straight);
        const Hit h = trace(s, from, along, spread);

        if (2 * i == samples) { // light has two samples, on opposite sides
            known.what = HIT_NOTHING;
            scatter = scatter * -1;
        }
        const vec3 c = radiance(s, h, from, along, spread, &known, scatter);

        p.colour = p.colour +
                   vec3{ fminf(c.x, 6), fminf(c.y, 6), fminf(c.z, 6) }; // a glint must not be a whole pixel
        if (!i && known.what == h.what && !s.toon) {
            p.grainy = known.grainy;
            p.grainy.surface = surface_of(h.what, h.facing);
        } else if (2 * i == samples && known.what == first) {
            p.grainy.around = 0.5f * (p.grainy.around + known.grainy.around);
            p.grainy.key = 0.5f * (p.grainy.key + known.grainy.key);
        }
        if (i) {
            outline |= h.what != first;
            continue;
        }
        first = h.what;
        if (h.what != HIT_NOTHING)
            p.disparity = 1 / fmaxf(h.t * dot(along, s.camera.forward), 1e-3f);
        if (eye != 0)
            p.unseen = is_unseen(s, h.what == HIT_NOTHING ? along : from + along * h.t, h, width);
    }
    p.colour = p.colour * (outline && s.toon == 2 ? 0.08f : 1.0f / (float)samples);
    return p;
}
