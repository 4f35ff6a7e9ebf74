// Noise, colour patterns, cut-outs and height fields. A pattern fades to its mean where a pixel covers a
// whole repeat.
#pragma once

#include "scene.h"

BOTH float lattice(int x, int y, int z, uint32_t seed)
{
    uint32_t n = (uint32_t)x * 1597334677U ^ (uint32_t)y * 3812015801U ^ (uint32_t)z * 2798796415U ^ seed;
    n = (n ^ (n >> 15)) * 0x2c1b3c6dU;
    n = (n ^ (n >> 12)) * 0x297a2d39U;
    return (float)((n ^ (n >> 15)) >> 8) * (1.0f / 16777216);
}

// Value noise, 0..1, one bump a unit.
BOTH float noise(vec3 p, uint32_t seed)
{
    const float fx = floorf(p.x), fy = floorf(p.y), fz = floorf(p.z);
    const int x = (int)fx, y = (int)fy, z = (int)fz;
    float u = p.x - fx, v = p.y - fy, w = p.z - fz, plane[2];

    u *= u * (3 - 2 * u);
    v *= v * (3 - 2 * v);
    w *= w * (3 - 2 * w);
    for (int k = 0; k < 2; k++)
        plane[k] = mix(mix(lattice(x, y, z + k, seed), lattice(x + 1, y, z + k, seed), u),
                       mix(lattice(x, y + 1, z + k, seed), lattice(x + 1, y + 1, z + k, seed), u), v);
    return mix(plane[0], plane[1], w);
}

BOTH float noise2(float x, float y, uint32_t seed)
{
    const float fx = floorf(x), fy = floorf(y);
    const int i = (int)fx, j = (int)fy;
    float u = x - fx, v = y - fy;

    u *= u * (3 - 2 * u);
    v *= v * (3 - 2 * v);
    return mix(mix(lattice(i, j, 7, seed), lattice(i + 1, j, 7, seed), u),
               mix(lattice(i, j + 1, 7, seed), lattice(i + 1, j + 1, 7, seed), u), v);
}

// Sum of octaves, 0..1; those finer than `width` (bumps a pixel) are left at their mean.
BOTH float fractal(vec3 p, int octaves, float width, uint32_t seed)
{
    float amplitude = 0.5f, sum = 0, total = 0;

    for (int i = 0; i < octaves; i++) {
        const float keep = 1 - smoothstep(0.3f, 0.9f, width);

        total += amplitude;
        sum += amplitude * (keep > 0 ? 0.5f + keep * (noise(p, seed + 131 * i) - 0.5f) : 0.5f);
        p = p * 2.03f + vec3{ 17.3f, 5.1f, 9.7f };
        width *= 2.03f;
        amplitude *= 0.55f;
    }
    return sum / total;
}

BOTH float fractal2(float x, float y, int octaves, uint32_t seed)
{
    float amplitude = 0.5f, sum = 0, total = 0;

    for (int i = 0; i < octaves; i++) {
        sum += amplitude * noise2(x, y, seed + 131 * i);
        total += amplitude;
        x = x * 2.03f + 3.7f;
        y = y * 2.03f + 11.1f;
        amplitude *= 0.5f;
    }
    return sum / total;
}

struct Cell {
    float first, second; // distances to the nearest two points of a jittered grid
    int id;
};

BOTH Cell cells(float x, float y, uint32_t seed)
{
    const int cx = (int)floorf(x), cy = (int)floorf(y);
    Cell cell = { 9, 9, 0 };

    for (int j = -1; j <= 1; j++) {
        for (int i = -1; i <= 1; i++) {
            const float dx = (float)(cx + i) + lattice(cx + i, cy + j, 1, seed) - x;
            const float dy = (float)(cy + j) + lattice(cx + i, cy + j, 2, seed) - y, d = dx * dx + dy * dy;

            if (d < cell.first) {
                cell.second = cell.first;
                cell.first = d;
                cell.id = (cx + i) * 57 + cy + j;
            } else if (d < cell.second) {
                cell.second = d;
            }
        }
    }
    cell.first = sqrtf(cell.first);
    cell.second = sqrtf(cell.second);
    return cell;
}

BOTH float fraction(float x)
{
    return x - floorf(x);
}

// A picture within a picture, in its own -1..1: what hangs on walls and runs on screens is flat, whatever it
// shows.
BOTH vec3 picture(const Material &m, float x, float y)
{
    const float horizon = -0.4f + 0.6f * m.shape;
    const float hill = horizon + 0.5f * fractal2(x * 1.3f + 9, 3, 4, m.seed);
    vec3 colour = mix(m.c, m.a, clamp((y - horizon) * 0.8f, 0, 1));

    if (y < hill)
        colour = mix(m.b, m.a * 0.4f, fractal2(x * 3, y * 3, 3, m.seed + 1));
    for (int i = 0; i < 4; i++) {
        const float px = 2 * lattice(i, 0, 0, m.seed) - 1, py = 1.4f * lattice(i, 1, 0, m.seed) - 1;
        const float size = 0.1f + 0.4f * lattice(i, 2, 0, m.seed), dx = (x - px) / size, dy = (y - py) / size;
        const bool inside = i % 2 ? fabsf(dx) < 1 && fabsf(dy) < 0.6f : dx * dx + dy * dy < 1;

        if (inside)
            colour = mix(i < 2 ? m.b : m.c, grey(lattice(i, 3, 0, m.seed)), 0.5f) * (0.7f + 0.3f * dy);
    }
    return colour;
}

// Skin, eyes, lips and brows of a HEAD, whose numbers these follow.
BOTH vec3 face(const Material &m, vec3 p)
{
    vec3 colour = m.a * (0.9f + 0.2f * fractal(p * 3, 3, 0, m.seed));
    const float x = fabsf(p.x), eye = hypotf(x - 0.28f, p.y - 0.08f);

    if (p.z < 0.3f)
        return colour;
    colour = mix(colour, m.a * vec3{ 1.1f, 0.8f, 0.78f }, smoothstep(0.3f, 0, hypotf(x - 0.42f, p.y + 0.2f)));
    if (hypotf(x / 0.24f, (p.y + 0.5f) / 0.075f) < 1)
        colour = m.c;
    if (hypotf((x - 0.3f) / 0.2f, (p.y - 0.3f + 0.1f * x) / 0.045f) < 1)
        colour = m.b;
    if (hypotf((x - 0.28f) / 0.13f, (p.y - 0.08f) / (0.02f + 0.06f * m.shape)) < 1)
        colour = eye < 0.028f ? grey(0.01f) : eye < 0.06f ? m.b * 0.6f + vec3{ 0, 0.03f, 0.05f } : grey(0.8f);
    else if (hypotf((x - 0.28f) / 0.15f, (p.y - 0.1f) / (0.04f + 0.06f * m.shape)) < 1)
        colour = colour * 0.55f;
    return colour;
}

// The colour at p (in the surface's own axes, normal n), a pixel covering `footprint` metres.
BOTH vec3 colour_at(const Material &m, vec3 p, vec3 n, vec3 half, float footprint)
{
    const float w = footprint * m.scale;
    const vec3 q = p * m.scale, an = { fabsf(n.x), fabsf(n.y), fabsf(n.z) };
    const bool flat = an.y > an.x && an.y > an.z, side = !flat && an.x > an.z;
    const float u = (side ? p.z : p.x) * m.scale, v = (flat ? p.z : p.y) * m.scale * m.stretch;
    const vec3 mean = mix(m.a, m.b, 0.5f);
    const int i = (int)floorf(u), j = (int)floorf(v);
    const float fu = u - floorf(u), fv = v - floorf(v);
    vec3 colour = m.a;

    switch (m.pattern) {
    case CLOUDY:
        colour = mix(m.a, m.b, smoothstep(0.5f - m.shape, 0.5f + m.shape, fractal(q, 5, w, m.seed)));
        colour =
            mix(colour, m.c, 0.35f * smoothstep(0.55f, 0.75f, fractal(q * 3.1f, 2, w * 3.1f, m.seed + 9)));
        break;
    case STRIPES: {
        const float d = fraction(u + 1.5f * m.shape * (fractal(q * 0.7f, 2, w * 0.7f, m.seed) - 0.5f));
        const float edge = fmaxf(0.03f, w);
        const float k = smoothstep(0.5f - edge, 0.5f + edge, d) * (1 - smoothstep(1 - 2 * edge, 1, d));

        colour = mix(m.a, m.b, mix(k, 0.5f, smoothstep(0.3f, 0.8f, w)));
        break;
    }
    case CHECKER:
        colour = mix(m.a, m.b, mix((float)((i + j) & 1), 0.5f, smoothstep(0.25f, 0.7f, w)));
        break;
    case BRICKS: {
        const int row = (int)floorf(2 * v);
        const float x = u + 0.5f * (float)(row & 1), fx = fraction(x), fy = fraction(2 * v);
        const bool mortar = fx < 0.06f || fy < 0.12f;

        colour = mix(m.a, m.b, lattice((int)floorf(x), row, 0, m.seed));
        colour = colour * (0.85f + 0.3f * fractal(q * 4, 2, w * 4, m.seed + 3));
        colour = mix(mortar ? m.c : colour, mean, smoothstep(0.15f, 0.5f, w));
        break;
    }
    case WOOD: {
        const float plank = m.shape > 0.5f ? floorf(u * 1.3f) : 0;
        const int at = (int)floorf(v * 0.35f + plank * 0.37f);

        colour =
            mix(m.a, m.b, fractal({ u * 8 + plank * 7.1f, v * 0.6f + plank * 3.3f, 0.3f }, 4, w * 8, m.seed));
        if (m.shape > 0.5f) {
            colour = colour * (0.75f + 0.5f * lattice((int)plank, at, 1, m.seed));
            if (u * 1.3f - plank < 0.03f)
                colour = colour * (0.5f + 0.5f * smoothstep(0.1f, 0.4f, w));
        }
        break;
    }
    case CELLS: {
        const Cell cell = cells(u, v, m.seed);

        colour = mix(m.a, m.b, lattice(cell.id, 3, 5, m.seed));
        colour = mix(m.c, colour, smoothstep(0, 0.05f + 0.15f * m.shape, cell.second - cell.first));
        colour = mix(colour, mean, smoothstep(0.3f, 0.8f, w));
        break;
    }
    case MARBLE: {
        const float k = 0.5f + 0.5f * sinf(3.14f * u + 19 * fractal(q, 4, w, m.seed));

        colour = mix(m.a, m.b, powf(k, 1 + 3 * m.shape));
        break;
    }
    case FACADE: { // a: wall, b: dark window, c: lit window
        const float margin = 0.12f + 0.2f * m.shape, sill = 0.18f, top = sill + 0.4f + 0.36f * m.shape;
        const bool window = fu > margin && fu < 1 - margin && fv > sill && fv < top;
        const float lit = lattice(i, j, 3, m.seed), share = (1 - 2 * margin) * (top - sill);
        const vec3 wall = m.a * (0.85f + 0.3f * fractal(q * 2, 3, w * 2, m.seed));

        colour = !window ? wall : fabsf(fu - 0.5f) < 0.03f ? m.a * 0.8f : mix(m.b, m.c, lit * lit);
        colour = mix(colour, mix(wall, mix(m.b, m.c, 0.33f), share), smoothstep(0.3f, 0.9f, w));
        break;
    }
    case TEXT: {
        const int row = (int)floorf(3 * v), col = (int)floorf(6 * u);
        const float fy = fraction(3 * v);
        const bool ink = fy > 0.25f && fy < 0.75f && lattice(col, row, 1, m.seed) > 0.25f &&
                         lattice(col / 6, row, 4, m.seed) > 0.2f && lattice(0, row, 9, m.seed) > 0.3f;

        colour = mix(m.a, m.b, mix(ink ? 1.0f : 0.0f, 0.3f, smoothstep(0.05f, 0.2f, w)));
        break;
    }
    case DOTS: {
        const float r = 0.15f + 0.25f * m.shape, d = hypotf(fu - 0.5f, fv - 0.5f), e = fmaxf(0.02f, w * 0.5f);
        const float k = mix(1 - smoothstep(r - e, r + e, d), 3.14f * r * r, smoothstep(0.4f, 1, w));

        colour = mix(m.a, lattice(i, j, 2, m.seed) > 0.7f ? m.c : m.b, k);
        break;
    }
    case GRASS:
    case FUR: {
        const bool grass = m.pattern == GRASS;
        const float fine = fractal({ q.x * 4, q.y, q.z * 4 }, 4, w * 4, m.seed);
        const float patch = fractal(q * 0.2f, 3, w * 0.2f, m.seed + 5);

        colour = mix(m.a, m.b, smoothstep(0.25f, 0.75f, fine));
        colour = mix(colour, m.c, (grass ? 0.6f : m.shape) * smoothstep(0.48f, grass ? 0.7f : 0.58f, patch));
        break;
    }
    case ASPHALT:
        colour = m.a * (0.75f + 0.3f * fractal(q * 6, 3, w * 6, m.seed) +
                        0.25f * fractal(q * 0.3f, 3, w, m.seed + 5));
        break;
    case PICTURE:
        colour = picture(m, side ? p.z / half.z : p.x / half.x, flat ? p.z / half.z : p.y / half.y);
        break;
    case TILES: {
        const float gap = 0.02f + 0.03f * m.shape;

        colour =
            mix(m.a, m.b, lattice(i, j, 0, m.seed)) * (0.9f + 0.2f * fractal(q * 3, 3, w * 3, m.seed + 3));
        colour = mix(fu < gap || fv < gap ? m.c : colour, mean, smoothstep(0.15f, 0.6f, w));
        break;
    }
    case PLAID: {
        const float k = 0.5f * (float)((fu < 0.3f) + (fv < 0.3f));
        const bool line = (fu > 0.5f && fu < 0.55f) || (fv > 0.5f && fv < 0.55f);

        colour = mix(mix(m.a, m.b, k), m.c, line ? 0.7f : 0.0f);
        colour = mix(colour, mix(m.a, m.b, 0.3f), smoothstep(0.3f, 0.8f, w));
        break;
    }
    case LEAVES:
        colour = mix(m.a, m.b, smoothstep(0.2f, 0.8f, fractal(q, 4, w, m.seed)));
        colour = mix(colour, m.c, 0.7f * smoothstep(0.4f, 0.7f, fractal(q * 0.2f, 2, w * 0.2f, m.seed + 5)));
        break;
    case WEAVE: {
        const float k = 0.5f + 0.5f * sinf(25 * u) * sinf(25 * v);

        colour = mix(m.a, m.b, mix(k, 0.5f, smoothstep(0.02f, 0.1f, w)));
        break;
    }
    case SPINES: { // books side by side
        const float tone = lattice(i, 0, 0, m.seed), band = lattice(i, 1, 0, m.seed);

        colour = tone < 0.4f ? m.a : tone < 0.7f ? m.b : m.c;
        colour = colour * (0.5f + lattice(i, 2, 0, m.seed));
        if (fabsf(fraction(v * 0.5f) - band) < 0.05f)
            colour = mix(colour, grey(0.8f), 0.7f);
        colour =
            mix(fu < 0.06f ? grey(0.02f) : colour, mix(mean, m.c, 0.3f) * 0.9f, smoothstep(0.3f, 0.8f, w));
        break;
    }
    case FACE:
        return face(m, p / half);
    default:
        break;
    }
    return colour * (0.8f + 0.4f * fractal(q * 0.37f, 2, w * 0.37f, m.seed + 77)); // nothing is quite even
}

// Whether a cut-out surface is there at p.
BOTH bool is_solid(const Material &m, vec3 p, vec3 half, float footprint)
{
    switch (m.cutout) {
    case CUT_NOISE: {
        const float most = 0.6f / fmaxf(footprint, 1e-6f), f = fminf(m.cut_scale, most);
        const float fine = fminf(m.cut_scale * 2.4f, most);

        return noise(p * f, m.seed + 501) * 0.45f + noise(p * fine, m.seed + 503) * 0.3f +
                   noise(p * (f * 0.38f), m.seed + 502) * 0.25f >
               m.cut_level;
    }
    case CUT_BARS:
        return fraction(p.x * m.cut_scale) < m.cut_level || fabsf(p.y / half.y) > 0.88f;
    case CUT_LATTICE:
        return fraction((p.x + p.y) * m.cut_scale) < m.cut_level ||
               fraction((p.x - p.y) * m.cut_scale) < m.cut_level;
    case CUT_GRID:
        return fraction(p.x * m.cut_scale) < m.cut_level || fraction(p.y * m.cut_scale) < m.cut_level;
    case CUT_SKYLINE: {
        const float x = p.x / half.y, low = noise2(x * 0.4f, 3, m.seed + 3);

        return p.y / half.y < -1 + 2 * fractal2(x * m.cut_scale + (float)(m.seed % 97), 0.5f, 6, m.seed) *
                                       (0.6f + 0.6f * low);
    }
    case CUT_LEAF: {
        const float x = p.x / half.x, y = p.y / half.y, angle = atan2f(y, x);
        const float rim =
            0.55f + 0.45f * noise2(cosf(angle) * m.cut_scale + 9, sinf(angle) * m.cut_scale + 3, m.seed);

        return hypotf(x, y) < rim &&
               noise2(x * m.cut_scale * 2, y * m.cut_scale * 2, m.seed + 5) > m.cut_level;
    }
    case CUT_BLADES: {
        const float x = p.x * m.cut_scale, y = p.y / half.y * 0.5f + 0.5f,
                    height = lattice((int)floorf(x), 1, 2, m.seed);
        const float tip = 0.3f + 0.7f * height;

        return y < tip && fabsf(fraction(x) - 0.5f + (height - 0.5f) * y) < 0.45f * (1 - y / tip);
    }
    case CUT_STRANDS: { // hair: combed along y
        const float most = 0.6f / fmaxf(footprint, 1e-6f), f = fminf(m.cut_scale, most);

        return 0.6f * noise({ p.x * f, p.y * f * 0.12f, p.z * f }, m.seed + 501) +
                   0.4f * noise(p * (f * 0.3f), m.seed + 502) >
               m.cut_level;
    }
    default:
        return true;
    }
}

// Height 0..1 of a relief at x, z (in bumps).
BOTH float relief_at(int kind, float x, float z, uint32_t seed)
{
    switch (kind) {
    case FOLDS: { // cloth: bent ridges of uneven width
        const float bend = 2.5f * fractal2(x * 0.35f, z * 0.35f, 2, seed),
                    along = noise2(x * 0.2f, z * 0.2f, seed + 8);
        const float ridge = 0.5f + 0.5f * sinf(4 * (x + bend) + 2 * along),
                    fine = noise2(2 * x, 0.7f * z, seed + 9);

        return 0.55f * ridge * ridge + 0.3f * along + 0.15f * fine;
    }
    case PEBBLES: {
        const Cell cell = cells(x, z, seed);
        const float rise = 0.35f + 0.65f * lattice(cell.id, 1, 1, seed), d = clamp(cell.first * 1.35f, 0, 1);

        return rise * sqrtf(1 - d * d) * 0.7f + 0.3f * noise2(x * 0.3f, z * 0.3f, seed);
    }
    case WAVES:
        return 0.5f + 0.25f * sinf(2 * x + 3 * noise2(x * 0.5f, z * 0.5f, seed)) +
               0.15f * sinf(3.3f * z + x) + 0.1f * (noise2(3 * x, 3 * z, seed) - 0.5f);
    case QUILT: {
        const float a = fraction(x) - 0.5f, b = fraction(z) - 0.5f;

        return 0.8f * (1 - 4 * a * a) * (1 - 4 * b * b) + 0.2f * noise2(x, z, seed);
    }
    default:
        return fractal2(x, z, 5, seed);
    }
}
