// Which place a seed is, how it moves, and the tree over its primitives. Called from generator.py.
#include "world.h"

#include <algorithm>

const World::Family World::families[] = {
    { "room", 18, nullptr }, // built by room(true)
    { "hall", 4, &World::hall },
    { "street", 12, &World::street },
    { "plaza", 4, &World::plaza },
    { "nature", 9, nullptr }, // built by nature(true)
    { "forest", 3, &World::forest },
    { "shore", 4, &World::shore },
    { "skyline", 4, &World::skyline },
    { "portrait", 9, &World::portrait },
    { "face", 4, &World::close_face },
    { "fur", 2, &World::close_fur },
    { "hands", 4, &World::hands },
    { "table", 8, &World::table_top },
    { "still life", 10, &World::still_life },
    { "pile", 5, &World::pile },
    { "shelves", 4, &World::shelves },
    { "fabric", 4, &World::fabric },
    { "barrier", 4, &World::barrier },
    { "macro", 3, &World::macro },
    { "machine", 6, &World::machine },
    { "abstract", 4, &World::abstract },
    { "mirrors", 3, &World::mirrors },
    { "surface", 2, &World::surface },
    { "crowd", 3, &World::crowd },
};
static constexpr int family_count = 24;

// Whose light comes from lamps, not from the sky.
static bool is_indoors(const Scene &s, Random &random)
{
    return s.has_room || (s.room_half.x > 0 && random.chance(0.6f));
}

World::World(Scene &scene, uint64_t seed, float aspect_, int family) : s(scene), aspect(aspect_)
{
    s = {};
    random.state = hash((uint32_t)seed ^ hash((uint32_t)(seed >> 32) + 0x9e3779b9U));
    for (int i = 0; i < 4; i++)
        random.bits();
    s.seed = random.bits();
    hue = random.uniform();
    movers.push_back({});
    if (family < 0) {
        float total = 0, at;

        for (const Family &f : families)
            total += f.share;
        at = random.uniform() * total;
        for (family = 0; family < family_count - 1 && (at -= families[family].share) > 0; family++) {
        }
    }
    s.family = family;
    s.dapple = random.chance(0.25f) ? random.uniform(0.3f, 0.9f) : 0;
    s.dapple_scale = random.spread(0.3f, 4);

    const char *name = families[family].name;
    const bool high = name[0] == 's' && name[1] == 'k', night = random.chance(0.1f);
    aim_usual(high                   ? random.spread(2, 60)
              : random.chance(0.85f) ? random.uniform(0.5f, 2)
                                     : random.spread(0.2f, 12));
    if (!families[family].build)
        family == 0 ? room(true) : nature(true);
    else
        (this->*families[family].build)();
    is_indoors(s, random) ? indoor_light() : day(night);
    if (random.chance(0.1f))
        foreground();
    if (random.chance(0.05f))
        make_toon();
    move_camera();
}

// A cartoon: flat colours, bands of light, outlines.
void World::make_toon()
{
    s.toon = random.chance(0.6f) ? 2 : 1;
    for (int i = 0; i < s.materials; i++) {
        Material &m = s.material[i];
        const float most = fmaxf(m.a.x, fmaxf(m.a.y, m.a.z)) + 1e-3f,
                    least = fminf(m.a.x, fminf(m.a.y, m.a.z));

        if (m.pattern != PICTURE && m.pattern != FACE && random.chance(0.8f))
            m.pattern = PLAIN;
        m.bump = m.gloss = m.mirror = 0;
        m.a = (m.a - grey(0.6f * least)) * (fmaxf(most, 0.25f) / most);
    }
    s.ambient_down = s.ambient_up;
}

void World::move_camera()
{
    const float pace =
        random.spread(0.02f, 0.6f) * s.camera.tan_x * typical; // metres a second: a few pixels a frame
    const bool forward = random.chance(0.25f);
    const vec3 d = forward ? vec3{ 0.15f * random.normal(), 0.1f * random.normal(), random.sign() * 1.6f }
                           : vec3{ 1.4f * random.normal(), 0.4f * random.normal(), 0.9f * random.normal() };

    camera_velocity = random.chance(0.25f) ? vec3{} : unit(d) * pace;
    yaw_rate = random.chance(0.6f) ? 0.3f * s.camera.tan_x * random.normal() : 0;
    pitch_rate = random.chance(0.5f) ? 0.12f * s.camera.tan_x * random.normal() : 0;
    roll_rate = random.chance(0.3f) ? 0.05f * random.normal() : 0;
}

void World::at_time(float seconds)
{
    Camera &c = s.camera;

    for (int i = 0; i < s.primitives; i++) {
        const Mover &m = movers[mover[i]];
        Primitive &p = s.primitive[i];
        const float angle = m.turn_rate * seconds;

        p.centre = m.pivot + turn_y(p.centre - m.pivot, angle) + m.velocity * seconds +
                   m.sway * sinf(m.sway_rate * seconds);
        for (vec3 &axis : p.axis)
            axis = turn_y(axis, angle);
    }
    c.position = c.position + camera_velocity * seconds;
    for (vec3 *axis : { &c.right, &c.up, &c.forward })
        *axis = turn_y(*axis, yaw_rate * seconds);
    for (vec3 *axis : { &c.up, &c.forward })
        *axis = turn(*axis, c.right, pitch_rate * seconds);
    for (vec3 *axis : { &c.right, &c.up })
        *axis = turn(*axis, c.forward, roll_rate * seconds);
    build_tree();
}

// ---- the tree

static vec3 reach_of(const Primitive &p)
{
    vec3 h = p.half, sum = { 0, 0, 0 };

    if (p.shape == CAPSULE)
        h = { p.half.x, p.half.y + p.half.x, p.half.x };
    else if (p.shape == CONE)
        h.x = h.z = fmaxf(fabsf(p.half.x + p.taper * p.half.y), fabsf(p.half.x - p.taper * p.half.y));
    else if (p.shape == HEAD)
        h = h * 1.06f;
    const float size[3] = { h.x, h.y, h.z };
    for (int i = 0; i < 3; i++)
        sum = sum + vec3{ fabsf(p.axis[i].x), fabsf(p.axis[i].y), fabsf(p.axis[i].z) } * size[i];
    return sum + grey(1e-4f);
}

static vec3 least(vec3 a, vec3 b)
{
    return { fminf(a.x, b.x), fminf(a.y, b.y), fminf(a.z, b.z) };
}
static vec3 most(vec3 a, vec3 b)
{
    return { fmaxf(a.x, b.x), fmaxf(a.y, b.y), fmaxf(a.z, b.z) };
}
static float along(vec3 v, int axis)
{
    return axis == 0 ? v.x : axis == 1 ? v.y : v.z;
}

// Splits order[first, first + count) at the median of its longest axis; leaves hold two at most.
int World::grow(int first, int count, std::vector<int> &order, const std::vector<Primitive> &from)
{
    const int at = s.nodes++;
    vec3 low = grey(1e30f), high = grey(-1e30f), centre_low = low, centre_high = high;

    for (int i = first; i < first + count; i++) {
        const Primitive &p = from[order[i]];
        const vec3 reach = reach_of(p);

        low = least(low, p.centre - reach);
        high = most(high, p.centre + reach);
        centre_low = least(centre_low, p.centre);
        centre_high = most(centre_high, p.centre);
    }
    s.node[at].low = low;
    s.node[at].high = high;
    if (count <= 2) {
        s.node[at].next = first;
        s.node[at].count = count;
        return at;
    }
    const vec3 extent = centre_high - centre_low;
    const int axis = extent.x > extent.y && extent.x > extent.z ? 0
                     : extent.y > extent.z                      ? 1
                                                                : 2,
              half = count / 2;
    std::nth_element(order.begin() + first, order.begin() + first + half, order.begin() + first + count,
                     [&](int a, int b) { return along(from[a].centre, axis) < along(from[b].centre, axis); });

    s.node[at].count = 0;
    grow(first, half, order, from);
    const int right = grow(first + half, count - half, order, from);
    s.node[at].next = right;
    return at;
}

void World::build_tree()
{
    const std::vector<Primitive> from(s.primitive, s.primitive + s.primitives);
    std::vector<int> order(from.size());

    for (size_t i = 0; i < order.size(); i++)
        order[i] = (int)i;
    s.nodes = 0;
    if (!order.empty())
        grow(0, s.primitives, order, from);
    for (size_t i = 0; i < order.size(); i++)
        s.primitive[i] = from[order[i]];
}

// ---- for generator.py

extern "C" int scene_bytes()
{
    return (int)sizeof(Scene);
}

extern "C" const char *family_name(int i)
{
    return i < family_count ? World::families[i].name : nullptr;
}

// Scene i is world seed[i] after `seconds[i]`; family < 0: any.
extern "C" void make_scenes(Scene *scenes, const uint64_t *seed, const float *seconds, int n, float aspect,
                            int family)
{
#pragma omp parallel for schedule(dynamic, 1)
    for (int i = 0; i < n; i++)
        World(scenes[i], seed[i], aspect, family).at_time(seconds[i]);
}
