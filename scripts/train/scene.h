// What a rendered scene is: plain data that the CPU fills in (world.cpp) and the CPU or a GPU renders
// (render.cu).
//
// World: metres, x right, y up, z forward, ground at y = 0. A scene is one instant; a moving world is a row
// of scenes.
#pragma once

#include <cmath>
#include <cstdint>

// nvcc decides what is inlined: with large ones kept apart by __noinline__, nvcc 13.0 gave a call wrong
// addresses of its caller's locals.
#ifdef __CUDACC__
#define BOTH __host__ __device__ inline
#else
#define BOTH inline
#endif

struct vec3 {
    float x, y, z;
};

BOTH vec3 operator+(vec3 a, vec3 b)
{
    return { a.x + b.x, a.y + b.y, a.z + b.z };
}
BOTH vec3 operator-(vec3 a, vec3 b)
{
    return { a.x - b.x, a.y - b.y, a.z - b.z };
}
BOTH vec3 operator*(vec3 a, vec3 b)
{
    return { a.x * b.x, a.y * b.y, a.z * b.z };
}
BOTH vec3 operator/(vec3 a, vec3 b)
{
    return { a.x / b.x, a.y / b.y, a.z / b.z };
}
BOTH vec3 operator*(vec3 a, float s)
{
    return { a.x * s, a.y * s, a.z * s };
}
BOTH vec3 grey(float v)
{
    return { v, v, v };
}
BOTH float dot(vec3 a, vec3 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}
BOTH vec3 cross(vec3 a, vec3 b)
{
    return { a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x };
}
BOTH float length(vec3 a)
{
    return sqrtf(dot(a, a));
}
BOTH vec3 unit(vec3 a)
{
    return a * (1 / (length(a) + 1e-12f));
}
BOTH float mix(float a, float b, float t)
{
    return a + (b - a) * t;
}
BOTH vec3 mix(vec3 a, vec3 b, float t)
{
    return a + (b - a) * t;
}
BOTH float clamp(float x, float low, float high)
{
    return fminf(fmaxf(x, low), high);
}
BOTH float smoothstep(float from, float to, float x)
{
    const float t = clamp((x - from) / (to - from), 0, 1);
    return t * t * (3 - 2 * t);
}
BOTH vec3 turn(vec3 a, vec3 axis, float angle)
{
    const float c = cosf(angle), s = sinf(angle);
    return a * c + cross(axis, a) * s + axis * (dot(axis, a) * (1 - c));
}
BOTH vec3 turn_y(vec3 a, float yaw)
{
    const float c = cosf(yaw), s = sinf(yaw);
    return { c * a.x + s * a.z, a.y, -s * a.x + c * a.z };
}

BOTH uint32_t hash(uint32_t v)
{
    v = (v ^ (v >> 16)) * 0x7feb352dU;
    v = (v ^ (v >> 15)) * 0x846ca68bU;
    return v ^ (v >> 16);
}

// PCG: the same numbers on every machine.
struct Random {
    uint32_t state;

    BOTH uint32_t bits()
    {
        state = state * 747796405U + 2891336453U;
        const uint32_t w = ((state >> ((state >> 28) + 4)) ^ state) * 277803737U;
        return (w >> 22) ^ w;
    }
    BOTH float uniform()
    {
        return (float)(bits() >> 8) * (1.0f / 16777216);
    }
    BOTH float uniform(float low, float high)
    {
        return low + (high - low) * uniform();
    }
    BOTH float spread(float low, float high)
    {
        return low * expf(logf(high / low) * uniform());
    } // log-uniform
    BOTH int below(int n)
    {
        return (int)(bits() % (uint32_t)n);
    }
    BOTH bool chance(float p)
    {
        return uniform() < p;
    }
    BOTH float sign()
    {
        return chance(0.5f) ? 1.0f : -1.0f;
    }
    BOTH float normal()
    {
        return (uniform() + uniform() + uniform() + uniform() - 2) * 1.732f;
    }
};

// ---- surfaces

enum Pattern {
    PLAIN,
    CLOUDY,
    STRIPES,
    CHECKER,
    BRICKS,
    WOOD,
    CELLS,
    MARBLE,
    FACADE,
    TEXT,
    DOTS,
    GRASS,
    ASPHALT,
    PICTURE,
    TILES,
    PLAID,
    FUR,
    LEAVES,
    WEAVE,
    SPINES,
    FACE,
    PATTERNS
};
enum Cutout {
    SOLID,
    CUT_NOISE,
    CUT_BARS,
    CUT_LATTICE,
    CUT_GRID,
    CUT_SKYLINE,
    CUT_LEAF,
    CUT_BLADES,
    CUT_STRANDS
};

struct Material {
    int pattern, cutout;
    uint32_t seed;
    vec3 a, b, c;           // the pattern's colours
    float scale, stretch;   // repeats a metre; of the vertical against the horizontal
    float shape;            // 0..1, what the pattern makes of it
    float bump, bump_scale; // strength and bumps a metre
    float gloss, shininess; // highlight
    float mirror, clear;    // share of light reflected head-on; passed through
    float emission;
    float cut_scale, cut_level;
};

enum Shape { ELLIPSOID, BOX, CONE, CAPSULE, CARD, TORUS, HEAD, RELIEF };
enum Relief { ROUGH, FOLDS, PEBBLES, WAVES, QUILT };

// In its own axes a shape fills [-half, half]: CONE is a cylinder along y of radius half.x + taper * y,
// CAPSULE one of radius half.x with round ends beyond half.y, CARD lies in x and y, TORUS in x and z with
// tube half.y, RELIEF is a height field over x and z.
struct Primitive {
    int shape, material, relief, casts; // casts: throws a shadow
    vec3 centre, axis[3], half;
    float taper, grain; // grain: RELIEF's bumps a metre
    float bound;        // radius of a sphere around it
};

struct Node { // of a bounding volume tree; the left child follows at once
    vec3 low, high;
    int next;  // the right child, or a leaf's first primitive
    int count; // primitives of a leaf, 0 for a branch
};

struct Camera {
    vec3 position, right, up, forward;
    float tan_x, tan_y; // half a picture's extent at distance 1
};

struct Lamp {
    vec3 position, colour;
};

enum { MAX_PRIMITIVES = 512, MAX_MATERIALS = 96, MAX_NODES = 2 * MAX_PRIMITIVES, MAX_LAMPS = 6 };

struct Scene {
    Camera camera;
    uint32_t seed;
    int family, primitives, materials, nodes;

    int has_ground, ground, road; // materials; road: within road_half of the line at road_yaw
    float road_half, road_yaw;

    int has_room, wall[6], open; // walls -x +x floor ceiling -z +z; open: a bit for each that is missing
    vec3 room, room_half;
    float room_yaw;

    int key_is_lamp; // the key light hangs at key_position or comes from key_direction
    vec3 key_position, key_direction, key_colour;
    float key_softness, dapple, dapple_scale; // dapple: as through leaves
    int lamps;
    Lamp lamp[MAX_LAMPS];
    vec3 ambient_up, ambient_down;

    vec3 sky_low, sky_high, sun_colour;
    float sun_glow, cloud_cover, cloud_scale, cloud_depth, stars;
    float fog; // a metre
    vec3 fog_colour;
    int toon; // flat bands of light and outlines

    Material material[MAX_MATERIALS];
    Primitive primitive[MAX_PRIMITIVES];
    Node node[MAX_NODES];
};

// One picture: the eye's place is the camera's, moved by eye metres to the right, looking in parallel.
struct View {
    int scene;
    float eye;
};
