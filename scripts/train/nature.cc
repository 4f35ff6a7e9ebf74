// Open country: hills, woods, water, skies.
#include "world.h"

// Ridges far off: cut-outs, as they look from here.
void World::hills()
{
    for (int n = 1 + random.below(3), i = n - 1; i >= 0; i--) {
        const float distance = random.spread(60, 1200) * (1 + i), h = distance * random.uniform(0.06f, 0.3f);
        const float green = random.uniform(0.2f, 0.4f), brown = random.uniform(0.03f, 0.12f);
        const float saturation = random.uniform(0, 0.5f), value = random.uniform(0.08f, 0.5f);
        const vec3 a = hsv(random.chance(0.6f) ? green : brown, saturation, value);
        Material m = make(CLOUDY, a, a * random.uniform(0.5f, 1.3f), a * 1.3f, random.spread(4, 30) / h);

        m.cutout = CUT_SKYLINE;
        m.cut_scale = random.uniform(0.3f, 2);
        m.gloss = 0;
        m.bump = 0.5f;
        m.bump_scale = m.scale;
        card(keep(m), { 0.2f * distance * random.normal(), 0.4f * h, distance }, 3 * distance, h, 3.1416f)
            ->casts = 0;
    }
}

void World::nature(bool things)
{
    static const int grounds[] = { LAWN, LAWN, LAWN, EARTH, EARTH, SNOW };
    const int kind = grounds[random.below(6)];

    s.has_ground = 1;
    s.ground = ground(kind);
    typical = 7;
    if (random.chance(0.4f)) {
        const float reach = random.spread(3, 25), high = reach * random.uniform(0.04f, 0.22f);
        Primitive *p = relief(s.ground, ROUGH, { 0, 0, 60 }, { 90, high, 90 }, 1 / reach, 0);

        p->casts = 0;
        terrain = p;
        s.has_ground = 0;
        const vec3 here = spot(0.01f, 0.0101f);
        s.camera.position.y += fmaxf(here.y, 0);
    } else if (random.chance(0.3f)) { // a path
        s.road_half = random.uniform(0.6f, 2);
        s.road_yaw = 0.5f * random.normal();
        s.road = ground(EARTH);
    }
    if (random.chance(0.5f))
        hills();
    if (random.chance(0.3f)) { // a line of trees
        Material m = of(foliage(false, 3));
        const float distance = random.spread(15, 80), h = distance * random.uniform(0.08f, 0.3f);

        m.cutout = CUT_SKYLINE;
        m.cut_scale = random.uniform(1.5f, 4);
        m.scale = random.spread(0.3f, 1.5f);
        card(keep(m), { 0, 0.3f * h, distance }, 3 * distance, h, 3.1416f)->casts = 0;
    }
    if (!things)
        return;
    const int bark = wood(), leaves = foliage(true, 1.5f), bush = foliage(true, 0.6f), rock = stone();

    for (int i = random.below(8); i > 0 && room_left() > 120; i--)
        tree(spot(4, 60), random.uniform(2.5f, 12), bark, random.chance(0.7f) ? leaves : bush);
    for (int i = random.below(9); i > 0 && room_left() > 80; i--) {
        const float e = random.spread(0.25f, 1.5f);

        ellipsoid(bush, spot(1.5f, 25) + vec3{ 0, 0.5f * e, 0 }, { e * random.uniform(0.7f, 1.6f), e, e },
                  random.uniform(0, 3));
    }
    for (int i = random.below(8); i > 0 && room_left() > 60; i--) {
        const float e = random.spread(0.12f, 1.2f);
        const vec3 half = { e, e * random.uniform(0.5f, 0.9f), e * random.uniform(0.6f, 1.2f) };

        tilt(add(random.chance(0.75f) ? ELLIPSOID : BOX, rock, spot(1.2f, 20) + vec3{ 0, 0.2f * e, 0 }, half,
                 random.uniform(0, 3)),
             0.4f * random.normal(), 0.4f * random.normal());
    }
    if (random.chance(0.4f)) {
        Material m = of(s.ground);

        m.pattern = GRASS;
        m.cutout = CUT_BLADES;
        m.cut_scale = random.spread(10, 50);
        const int grass = keep(m);
        for (int i = 2 + random.below(9); i > 0 && room_left() > 50; i--) {
            const float h = random.spread(0.1f, 0.5f);

            card(grass, spot(0.8f, 8) + vec3{ 0, 0.9f * h, 0 }, h * random.uniform(2, 8), h,
                 0.5f * random.normal());
        }
    }
    for (int i = random.chance(0.5f) ? random.below(4) : 0; i > 0 && room_left() > 40; i--) {
        moves({ vec3{ random.normal(), 0, random.normal() } });
        animal({ spot(2, 15), random.uniform(0, 6.28f) }, random.spread(0.4f, 2.2f));
        rests();
    }
    for (int i = random.below(4); i > 0 && room_left() > 40; i--) {
        moves({ vec3{ random.normal(), 0, random.normal() } });
        person({ spot(2.2f, 20), random.uniform(0, 6.28f) }, random.uniform(1.2f, 1.9f), false, false);
        rests();
    }
    if (random.chance(0.15f))
        building({ spot(8, 50), random.uniform(0, 3) }, random.uniform(3, 7), random.uniform(2.5f, 7),
                 random.uniform(3, 6));
    if (random.chance(0.2f))
        fence({ spot(3, 12), 0.7f * random.normal() }, random.uniform(3, 12), random.uniform(0.6f, 1.5f));
}

void World::forest()
{
    const int bark = wood(), leaves = foliage(true, 0.8f), litter = leaf();
    const bool bare = random.chance(0.3f);

    s.has_ground = 1;
    s.ground = ground(random.chance(0.5f) ? EARTH : LAWN);
    typical = 4;
    for (int i = 8 + random.below(14); i > 0 && room_left() > 150; i--) {
        const vec3 foot = spot(1.5f, 30);
        const float r = random.uniform(0.05f, 0.3f), lean = 0.05f * random.normal();

        stick(CONE, bark, foot, foot + vec3{ 9 * lean, 9, 0 }, r, 0.6f * r);
        if (random.chance(0.4f))
            branch(foot + vec3{ 2.5f * lean, 2.5f, 0 }, unit({ random.normal(), 0.6f, random.normal() }), 1,
                   0.3f * r, bark, bare ? -1 : leaves, 2);
    }
    for (int i = bare ? 0 : 4 + random.below(20); i > 0 && room_left() > 40; i--) {
        const float e = random.spread(0.3f, 1.5f);
        const vec3 foot = spot(1.5f, 20);

        ellipsoid(leaves, foot + vec3{ 0, random.chance(0.5f) ? 0.4f * e : random.uniform(2, 6), 0 },
                  { 1.3f * e, e, e }, random.uniform(0, 3));
    }
    for (int i = random.below(30); i > 0 && room_left() > 8; i--)
        tilt(card(litter, spot(0.8f, 6) + vec3{ 0, 0.03f, 0 }, 0.06f, 0.1f, random.uniform(0, 6)), -1.4f,
             random.normal());
}

// Water to the horizon or to the far bank.
void World::shore()
{
    const int water = ground(WATER), rock = stone();

    s.has_ground = 1;
    s.ground = water;
    typical = 10;
    if (random.chance(0.5f)) // a beach or a quay before it
        box(ground(random.chance(0.6f) ? EARTH : PAVING), { 0, -0.3f, random.uniform(-4, 2) },
            { 60, 0.35f, random.uniform(3, 7) }, 0.3f * random.normal());
    else if (random.chance(0.5f)) // waves
        relief(water, WAVES, { 0, 0.05f, 40 }, { 60, random.uniform(0.05f, 0.5f), 42 },
               random.spread(0.15f, 1), random.normal())
            ->casts = 0;
    if (random.chance(0.7f))
        hills();
    for (int i = random.below(9); i > 0; i--) {
        const float e = random.spread(0.2f, 3);

        tilt(ellipsoid(rock, spot(2, 40), { e, e * random.uniform(0.4f, 0.9f), e }, random.uniform(0, 3)),
             0.4f * random.normal(), 0);
    }
    for (int i = random.below(5); i > 0 && room_left() > 60; i--) { // boats, posts
        const vec3 at = spot(4, 60);
        const float l = random.spread(1, 8), yaw = random.uniform(0, 6.28f);
        const int hull = plain(colour(), 0.4f);

        moves({ vec3{ random.normal(), 0, random.normal() }, { 0, 0.05f, 0 }, {}, 1.5f });
        if (random.chance(0.6f)) {
            ellipsoid(hull, at, { 0.28f * l, 0.2f * l, l }, yaw);
            box(any(1), at + vec3{ 0, 0.25f * l, 0 }, { 0.15f * l, 0.15f * l, 0.3f * l }, yaw);
            pillar(metal(), at, 0.02f * l, 0.01f * l, 1.6f * l);
        } else {
            pillar(wood(), at - vec3{ 0, 1, 0 }, 0.15f, 0.13f, random.uniform(1.3f, 3));
        }
        rests();
    }
    for (int i = random.below(3); i > 0; i--)
        person({ spot(2, 6) + vec3{ 0, 0.05f, 0 }, random.uniform(0, 6.28f) }, 1.7f, false, false);
}

// Mostly sky: towers, masts, birds, balloons, clouds; from a roof or from the air.
void World::skyline()
{
    const bool city = random.chance(0.6f);
    const float fov = random.spread(0.5f, 1.3f), pitch = random.uniform(-0.25f, 0.35f);

    aim(s.camera.position.y, fov, pitch, 0.04f * random.normal());
    s.has_ground = 1;
    s.ground = ground(random.below(GROUNDS));
    typical = 40;
    if (random.chance(0.6f))
        hills();
    for (int i = 6 + random.below(25); i > 0 && city && room_left() > 60; i--) {
        const float w = random.uniform(3, 9);

        building({ spot(25, 250), random.uniform(0, 3) }, w, random.spread(8, 90), w);
    }
    for (int i = random.below(4); i > 0; i--)
        pole(spot(10, 60), random.spread(8, 40));
    for (int i = random.below(8); i > 0; i--) {
        const vec3 at = in_view(random.spread(5, 120), random.uniform(-0.9f, 0.9f), random.uniform(0, 0.9f));
        const float e = random.spread(0.3f, 3);

        moves({ vec3{ random.normal(), 0.2f * random.normal(), random.normal() } * 4 });
        if (random.chance(0.5f)) { // a balloon or a kite
            ellipsoid(any(e), at, { e, 1.2f * e, e }, 0);
            rod(plain(grey(0.1f), 0), at, at - vec3{ 0, 3 * e, 0 }, 0.02f * e);
        } else { // a bird or a plane
            tilt(ellipsoid(any(e), at, vec3{ 0.1f, 0.08f, 0.4f } * e, random.uniform(0, 6)), 0.2f, 0);
            tilt(ellipsoid(any(e), at, vec3{ 0.8f, 0.03f, 0.12f } * e, random.uniform(0, 6)), 0.2f,
                 0.4f * random.normal());
        }
        rests();
    }
    if (random.chance(0.4f)) { // a parapet or a roof in front
        const float y = s.camera.position.y;

        box(any(1), { 0, y - random.uniform(0.6f, 1.4f), random.uniform(1.5f, 4) },
            { 8, 0.3f, random.uniform(0.1f, 1) }, 0.2f * random.normal());
    }
}
