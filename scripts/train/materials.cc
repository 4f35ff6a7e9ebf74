// Colours, materials and single shapes. Ranges are those of things one films; nothing is measured.
#include "world.h"

vec3 hsv(float hue, float saturation, float value)
{
    const float h = 6 * (hue - floorf(hue)), c = saturation * value, x = c * (1 - fabsf(fmodf(h, 2) - 1));
    const vec3 sector[6] = { { c, x, 0 }, { x, c, 0 }, { 0, c, x }, { 0, x, c }, { x, 0, c }, { c, 0, x } };

    return sector[(int)h % 6] + grey(value - c);
}

// Evaluated in this order whatever the compiler: arguments of one call are not.
vec3 World::colour()
{
    const float h = random.chance(0.45f) ? hue + 0.07f * random.normal() : random.uniform();
    const float saturation = random.chance(0.5f) ? random.uniform(0, 0.3f) : random.uniform(0.1f, 0.9f);

    return hsv(h, saturation, random.spread(0.06f, 0.85f));
}

vec3 World::neutral(float low, float high)
{
    const float v = random.uniform(low, high), tint = 0.06f * random.normal();

    return { v * (1 + tint), v, v * (1 - tint) };
}

vec3 World::skin()
{
    const float t = random.uniform(), bright = random.uniform(0.8f, 1.2f);

    return mix(vec3{ 0.75f, 0.52f, 0.40f }, vec3{ 0.22f, 0.12f, 0.07f }, t * t) * bright;
}

int World::keep(const Material &m)
{
    if (s.materials == MAX_MATERIALS)
        return random.below(MAX_MATERIALS);
    s.material[s.materials] = m;
    return s.materials++;
}

Material World::make(int pattern, vec3 a, vec3 b, vec3 c, float scale)
{
    Material m = {};

    m.pattern = pattern;
    m.seed = random.bits();
    m.a = a;
    m.b = b;
    m.c = c;
    m.scale = scale;
    m.stretch = 1;
    m.shape = random.uniform();
    m.bump_scale = 4 * scale;
    m.gloss = random.chance(0.3f) ? random.uniform(0.05f, 0.5f) : random.uniform(0, 0.05f);
    m.shininess = random.spread(6, 200);
    return m;
}

int World::any(float size)
{
    static const int usual[] = { PLAIN, CLOUDY, STRIPES, CHECKER, BRICKS, WOOD, CELLS,  MARBLE,
                                 TEXT,  DOTS,   PICTURE, TILES,   PLAID,  FUR,  LEAVES, WEAVE };
    const float q = random.uniform();
    const int pattern = q < 0.3f ? PLAIN : q < 0.48f ? CLOUDY : usual[random.below(16)];
    const vec3 a = colour(), b = random.chance(0.5f) ? a * random.uniform(0.4f, 1.6f) : colour(),
               c = colour();
    Material m = make(pattern, a, b, c, random.spread(0.6f, 9) / size);

    m.stretch = random.chance(0.7f) ? 1 : random.spread(0.4f, 2.5f);
    if (random.chance(0.3f)) {
        m.bump = random.uniform(0.05f, 0.35f);
        m.bump_scale = m.scale * random.spread(0.7f, 5);
    }
    return keep(m);
}

int World::plain(vec3 c, float gloss)
{
    Material m = make(PLAIN, c, c, c, random.spread(0.4f, 4));

    m.gloss = gloss;
    return keep(m);
}

int World::wood()
{
    const float h = random.uniform(0.04f, 0.1f), saturation = random.uniform(0.3f, 0.7f);
    const vec3 a = hsv(h, saturation, random.uniform(0.12f, 0.6f));
    Material m = make(WOOD, a, a * random.uniform(0.5f, 0.85f), a, random.spread(0.7f, 3));

    m.shape = random.chance(0.5f) ? random.uniform(0.6f, 1) : 0.2f;
    return keep(m);
}

int World::metal()
{
    Material m = make(PLAIN, neutral(0.08f, 0.7f), grey(0.1f), grey(0.1f), 2);

    m.gloss = random.uniform(0.2f, 0.9f);
    m.shininess = random.spread(20, 300);
    m.mirror = random.chance(0.3f) ? random.uniform(0.2f, 0.7f) : random.uniform(0, 0.15f);
    return keep(m);
}

int World::cloth()
{
    static const int kinds[] = { PLAIN, PLAIN, PLAIN, STRIPES, PLAID, CLOUDY, DOTS, WEAVE, WEAVE };
    const int pattern = kinds[random.below(9)];
    const vec3 a = colour(), b = random.chance(0.5f) ? neutral(0.1f, 0.8f) : colour(), c = colour();
    Material m = make(pattern, a, b, c, pattern == PLAIN ? 3 : random.spread(4, 20));

    m.gloss = 0;
    m.bump = random.uniform(0, 0.3f);
    m.bump_scale = random.spread(5, 15);
    return keep(m);
}

int World::foliage(bool loose, float size)
{
    const float h = random.chance(0.8f) ? random.uniform(0.17f, 0.36f) : random.uniform();
    const float saturation = random.uniform(0.2f, 0.8f);
    const vec3 a = hsv(h, saturation, random.uniform(0.08f, 0.4f));
    const vec3 c = hsv(h + 0.05f * random.normal(), saturation, random.uniform(0.2f, 0.6f));
    Material m = make(LEAVES, a * random.uniform(0.25f, 0.6f), a, c, random.spread(6, 20) / size);

    m.bump = random.uniform(0.2f, 0.9f);
    m.bump_scale = m.scale * random.uniform(0.8f, 2);
    m.gloss = random.uniform(0, 0.1f);
    if (loose) {
        m.cutout = CUT_NOISE;
        m.cut_scale = random.spread(8, 35) / size;
        m.cut_level = random.uniform(0.40f, 0.56f);
    }
    return keep(m);
}

// Plaster, paint: nearly even.
int World::plaster()
{
    const vec3 a = neutral(0.3f, 0.9f);
    Material m = make(CLOUDY, a, a * random.uniform(0.85f, 0.98f), a * random.uniform(0.9f, 1.05f),
                      random.spread(0.5f, 12));

    m.shape = random.uniform(0.15f, 0.5f);
    m.gloss *= 0.3f;
    if (random.chance(0.3f)) {
        m.bump = random.uniform(0.02f, 0.12f);
        m.bump_scale = random.spread(5, 40);
    }
    return keep(m);
}

int World::walls()
{
    if (random.chance(0.45f))
        return plaster();
    static const int kinds[] = { PLAIN,   PLAIN,  PLAIN, PLAIN, PLAIN,  PLAIN,
                                 STRIPES, BRICKS, TILES, WOOD,  CLOUDY, DOTS };
    const int pattern = kinds[random.below(12)];
    const float h = random.uniform(), saturation = random.uniform(0, 0.18f);
    const vec3 a = random.chance(0.6f) ? hsv(h, saturation, random.uniform(0.35f, 0.9f)) : colour();
    const vec3 b = random.chance(0.5f) ? a * random.uniform(0.6f, 1.2f) : colour();
    Material m = make(pattern, a, b, a * random.uniform(0.4f, 1.1f),
                      pattern == PLAIN ? random.spread(0.2f, 2) : random.spread(1, 6));

    m.gloss *= 0.3f;
    return keep(m);
}

int World::floors()
{
    static const int kinds[] = { WOOD,   WOOD,    WOOD,  TILES, TILES,  PLAIN,
                                 CLOUDY, CHECKER, PLAID, CELLS, MARBLE, WEAVE };
    const int pattern = kinds[random.below(12)];
    const float h = random.uniform(0.03f, 0.12f), saturation = random.uniform(0.1f, 0.6f);
    const vec3 a = random.chance(0.5f) ? hsv(h, saturation, random.uniform(0.1f, 0.7f)) : colour();
    const vec3 b = random.chance(0.6f) ? a * random.uniform(0.6f, 1.3f) : colour();
    Material m = make(pattern, a, b, a * random.uniform(0.3f, 1.2f), random.spread(0.7f, 5));

    m.gloss = random.chance(0.4f) ? random.uniform(0.1f, 0.7f) : 0;
    m.mirror = m.gloss > 0.1f && random.chance(0.5f) ? random.uniform(0.01f, 0.15f) : 0;
    m.shininess = random.spread(10, 120);
    return keep(m);
}

int World::ground(int kind)
{
    Material m;

    if (kind == LAWN) {
        const float h = random.uniform(0.14f, 0.33f), saturation = random.uniform(0.25f, 0.75f);
        const vec3 a = hsv(h, saturation, random.uniform(0.08f, 0.3f));

        m = make(GRASS, a * 0.5f, a * 1.4f, hsv(h * 0.6f, saturation, random.uniform(0.2f, 0.5f)),
                 random.spread(2, 10));
        m.bump = random.uniform(0.1f, 0.6f);
        m.bump_scale = m.scale * 2;
        m.gloss = 0;
    } else if (kind == EARTH) {
        const float h = random.uniform(0.04f, 0.13f), saturation = random.uniform(0.1f, 0.6f);
        const vec3 a = hsv(h, saturation, random.uniform(0.1f, 0.6f)), b = a * random.uniform(0.5f, 0.9f);

        m = make(random.chance(0.7f) ? CLOUDY : CELLS, a, b, a * random.uniform(0.6f, 1.3f),
                 random.spread(0.7f, 6));
        m.bump = random.uniform(0, 0.5f);
        m.bump_scale = m.scale * 3;
        m.gloss = 0;
    } else if (kind == ROADWAY) {
        const vec3 a = neutral(0.06f, 0.35f);
        const bool wet = random.chance(0.2f);

        m = make(ASPHALT, a, a, a, random.spread(0.7f, 4));
        m.gloss = wet ? random.uniform(0.1f, 0.7f) : 0.02f;
        m.mirror = wet ? random.uniform(0.02f, 0.2f) : 0;
    } else if (kind == PAVING) {
        const vec3 a = neutral(0.2f, 0.65f), b = a * random.uniform(0.7f, 1.1f);
        const int pattern = random.chance(0.5f) ? TILES : random.chance(0.4f) ? BRICKS : CLOUDY;

        m = make(pattern, a, b, a * random.uniform(0.4f, 0.9f), random.spread(0.6f, 4));
        m.gloss = random.chance(0.15f) ? random.uniform(0.1f, 0.6f) : 0.02f;
        m.mirror = m.gloss > 0.1f ? 0.05f : 0;
    } else if (kind == SNOW) {
        const vec3 a = vec3{ 0.75f, 0.8f, 0.85f } * random.uniform(0.7f, 1.1f);

        m = make(CLOUDY, a, a * random.uniform(0.85f, 1), a, random.spread(0.3f, 2));
        m.gloss = random.uniform(0, 0.2f);
        m.bump = random.uniform(0, 0.3f);
        m.bump_scale = random.spread(0.5f, 4);
    } else {
        const float h = random.uniform(0.42f, 0.62f), saturation = random.uniform(0.1f, 0.7f);
        const vec3 a = hsv(h, saturation, random.uniform(0.03f, 0.25f));

        m = make(CLOUDY, a, a * random.uniform(0.7f, 1.4f), a, random.spread(0.1f, 1));
        m.gloss = random.uniform(0.1f, 0.8f);
        m.mirror = random.uniform(0.05f, 0.3f);
        m.bump = random.uniform(0.02f, 0.35f);
        m.bump_scale = random.spread(0.4f, 5);
    }
    return keep(m);
}

int World::fur()
{
    const float h = random.uniform(0.03f, 0.12f), saturation = random.uniform(0, 0.6f);
    const vec3 a =
        random.chance(0.7f) ? hsv(h, saturation, random.spread(0.04f, 0.7f)) : neutral(0.03f, 0.85f);
    const vec3 b = a * random.uniform(0.4f, 0.9f);
    Material m = make(FUR, a, b, random.chance(0.5f) ? grey(0.7f) : a * 0.4f, random.spread(5, 20));

    m.shape = random.chance(0.4f) ? random.uniform(0.4f, 1) : 0;
    m.bump = random.uniform(0.1f, 0.6f);
    m.bump_scale = m.scale * 1.5f;
    m.gloss = random.uniform(0, 0.2f);
    return keep(m);
}

int World::hair(vec3 c)
{
    Material m = make(FUR, c, c * 0.5f, c, random.spread(10, 40));

    m.shape = 0;
    m.bump = 0.5f;
    m.bump_scale = 30;
    m.gloss = random.uniform(0.05f, 0.4f);
    m.shininess = random.spread(8, 40);
    if (random.chance(0.7f)) {
        m.cutout = random.chance(0.5f) ? CUT_STRANDS : CUT_NOISE;
        m.cut_scale = m.cutout == CUT_STRANDS ? random.spread(80, 250) : random.spread(15, 60);
        m.cut_level = random.uniform(0.3f, 0.45f);
    }
    return keep(m);
}

int World::leaf()
{
    const int index = foliage(false, 0.3f);
    Material &m = of(index);

    if (random.chance(0.3f)) { // a petal
        m.pattern = CLOUDY;
        m.a = hsv(random.uniform(), random.uniform(0.4f, 0.95f), random.uniform(0.3f, 0.9f));
        m.b = m.a * 0.7f;
    }
    m.cutout = CUT_LEAF;
    m.cut_scale = random.uniform(0.5f, 1.3f);
    m.cut_level = random.uniform(0, 0.12f);
    m.bump *= 0.5f;
    return index;
}

int World::glass()
{
    const float h = random.uniform(), saturation = random.chance(0.6f) ? 0.05f : random.uniform(0.2f, 0.7f);
    Material m = make(PLAIN, hsv(h, saturation, random.uniform(0.5f, 0.95f)), grey(0.5f), grey(0.5f), 1);

    m.gloss = random.uniform(0.5f, 1);
    m.shininess = random.spread(80, 300);
    m.clear = random.uniform(0.5f, 0.85f);
    return keep(m);
}

int World::mirror()
{
    Material m = make(PLAIN, grey(0.05f), grey(0.05f), grey(0.05f), 1);

    m.gloss = 0.2f;
    m.mirror = random.uniform(0.75f, 0.95f);
    return keep(m);
}

int World::picture(float emission)
{
    const vec3 a = colour(), b = colour();
    Material m = make(PICTURE, a, b, colour(), 1);

    m.gloss = 0.1f;
    m.emission = emission;
    return keep(m);
}

int World::skinny(vec3 c)
{
    Material m = make(CLOUDY, c, c * vec3{ 1.1f, 0.85f, 0.8f }, c * 0.8f, random.spread(8, 30));

    m.shape = 0.4f;
    m.gloss = random.uniform(0.02f, 0.2f);
    m.shininess = random.spread(6, 30);
    return keep(m);
}

int World::stone()
{
    const vec3 a = neutral(0.2f, 0.6f), b = neutral(0.1f, 0.4f);
    Material m = make(CLOUDY, a, b, hsv(random.uniform(0.1f, 0.3f), 0.3f, 0.3f), random.spread(1, 5));

    m.bump = random.uniform(0.3f, 0.8f);
    m.bump_scale = random.spread(2, 8);
    return keep(m);
}

// ---- shapes

static float bound_of(const Primitive &p)
{
    const vec3 h = p.half;

    switch (p.shape) {
    case ELLIPSOID:
        return fmaxf(h.x, fmaxf(h.y, h.z));
    case CONE:
        return hypotf(fmaxf(fabsf(h.x + p.taper * h.y), fabsf(h.x - p.taper * h.y)), h.y);
    case CAPSULE:
        return h.x + h.y;
    case TORUS:
        return h.x;
    default:
        return length(h) * (p.shape == HEAD ? 1.05f : 1);
    }
}

Primitive *World::add(int shape, int material, vec3 centre, vec3 half, float yaw)
{
    Primitive *p = s.primitives < MAX_PRIMITIVES ? &s.primitive[s.primitives] : &spare;

    *p = {};
    p->shape = shape;
    p->material = material;
    p->casts = 1;
    p->centre = centre;
    p->half = half;
    p->axis[0] = turn_y({ 1, 0, 0 }, yaw);
    p->axis[1] = { 0, 1, 0 };
    p->axis[2] = turn_y({ 0, 0, 1 }, yaw);
    if (p != &spare)
        mover[s.primitives++] = current;
    p->bound = bound_of(*p) * 1.001f + 1e-5f;
    return p;
}

Primitive *World::stick(int shape, int m, vec3 a, vec3 b, float ra, float rb)
{
    const vec3 d = b - a;
    const float l = length(d), r = 0.5f * (ra + rb);
    Primitive *p = add(shape, m, (a + b) * 0.5f, { shape == CONE ? r : ra, 0.5f * l, r }, 0);

    p->axis[1] = d * (1 / (l + 1e-6f));
    p->axis[0] = unit(cross(p->axis[1], fabsf(p->axis[1].x) < 0.8f ? vec3{ 1, 0, 0 } : vec3{ 0, 0, 1 }));
    p->axis[2] = cross(p->axis[0], p->axis[1]);
    p->taper = shape == CONE ? (rb - ra) / (l + 1e-6f) : 0;
    p->bound = bound_of(*p) * 1.001f + 1e-5f;
    return p;
}

Primitive *World::pillar(int m, vec3 foot, float r, float top, float h)
{
    return stick(CONE, m, foot, foot + vec3{ 0, h, 0 }, r, top);
}

Primitive *World::ring(int m, vec3 c, float r, float tube, float yaw)
{
    return add(TORUS, m, c, { r + tube, tube, r + tube }, yaw);
}

Primitive *World::relief(int m, int kind, vec3 c, vec3 half, float grain, float yaw)
{
    Primitive *p = add(RELIEF, m, c, half, yaw);

    p->relief = kind;
    p->grain = grain;
    return p;
}

void World::tilt(Primitive *p, float pitch, float roll)
{
    p->axis[1] = turn(p->axis[1], p->axis[0], pitch);
    p->axis[2] = turn(p->axis[2], p->axis[0], pitch);
    p->axis[0] = turn(p->axis[0], p->axis[2], roll);
    p->axis[1] = turn(p->axis[1], p->axis[2], roll);
}

void World::tumble(Primitive *p)
{
    const float pitch = random.uniform(-3.1f, 3.1f);

    tilt(p, pitch, random.uniform(-3.1f, 3.1f));
}

void World::moves(Mover m)
{
    current = (int)movers.size();
    movers.push_back(m);
}
