// What fills the frame: people, things on tables, heaps, shelves, cloth.
#include "world.h"

// Somewhere behind a subject.
static const int somewhere = 4;

void World::portrait()
{
    const bool beast = random.chance(0.3f);
    const float height = random.uniform(1.5f, 1.9f), body = random.spread(0.4f, 1.8f);
    const float eye = beast ? random.uniform(0.25f, 1.1f) * body : height * random.uniform(0.6f, 1.02f);
    const int behind = random.below(somewhere), n = random.chance(0.65f) ? 1 : 2 + random.below(2);

    aim(eye, random.spread(0.38f, 1.2f), 0.08f * random.normal(), 0.03f * random.normal());
    if (behind <= 1)
        room(random.chance(0.7f));
    else if (behind == 2)
        street();
    else
        nature(random.chance(0.8f));
    typical = 1.8f;
    if (room_left() < 180)
        s.primitives = MAX_PRIMITIVES - 180; // the subject comes first
    for (int i = 0; i < n; i++) {
        const float share = random.spread(0.28f, beast ? 1.9f : 1.4f), tall = beast ? 0.7f * body : 0.42f;
        const float z =
            fminf((tall / (2 * share * s.camera.tan_y) + 0.15f) * (i ? random.uniform(1, 1.9f) : 1), 6);
        const float x =
            z * s.camera.tan_x *
            (n == 1 ? random.uniform(-0.55f, 0.55f) : -0.7f + 1.4f * i / (n - 1) + 0.15f * random.normal());
        const vec3 at = { x + s.camera.position.x, 0, z + s.camera.position.z };
        const float base = s.camera.position.y - eye;

        moves({ vec3{ random.normal(), 0, random.normal() } * 0.15f, { 0.02f, 0.01f, 0 }, {}, 2 });
        if (beast) {
            animal({ at + vec3{ 0, base, 0 }, random.uniform(0, 6.28f) }, body);
        } else {
            const float lift =
                z > 2.2f ? 0 : eye - 0.93f * height + z * s.camera.tan_y * random.uniform(-0.35f, 0.35f);

            person({ at + vec3{ 0, base + lift, 0 }, 3.14f + 0.6f * random.normal() }, height, z < 2.5f,
                   false);
        }
        rests();
    }
}

void World::close_face()
{
    const float eye = random.uniform(1, 1.8f), z = random.uniform(0.35f, 0.9f),
                size = random.uniform(0.1f, 0.13f);
    const vec3 tone = skin();
    const int m = skinny(tone), top = cloth();

    aim(eye, random.spread(0.4f, 1), 0.05f * random.normal(), 0.05f * random.normal());
    if (random.chance(0.5f)) {
        room(true);
        indoor_light();
    } else {
        random.chance(0.5f) ? nature(true) : street();
        day(random.chance(0.15f));
    }
    typical = z;
    if (room_left() < 150)
        s.primitives = MAX_PRIMITIVES - 150;
    const Place p = { in_view(z, random.uniform(-0.35f, 0.35f), random.uniform(-0.25f, 0.3f)),
                      3.1416f + 0.5f * random.normal() };

    moves({ {}, vec3{ random.normal(), random.normal(), 0 } * 0.015f, p.at, 3, 0.3f * random.normal() });
    head(p, size, tone, true);
    limb(m, p.point(0, -0.6f * size, -0.2f * size), p.point(0, -2 * size, -0.4f * size), 0.55f * size);
    ellipsoid(top, p.point(0, -3.4f * size, -0.5f * size), vec3{ 2, 1.7f, 1.1f } * size, p.yaw);
    limb(top, p.point(-1.7f * size, -2.5f * size, -0.5f * size),
         p.point(1.7f * size, -2.5f * size, -0.5f * size), 0.6f * size);
    if (random.chance(0.25f))
        hand(p.moved(random.sign() * 1.1f * size, -1.2f * size, 0.8f * size, 1.5f * random.normal()),
             1.7f * size, m, random.uniform(), random.sign());
    rests();
}

void World::close_fur()
{
    const int coat = fur(), coat2 = random.chance(0.5f) ? coat : fur();
    const float z = random.uniform(0.5f, 1.2f), size = random.uniform(0.12f, 0.3f);
    Material m = of(coat);

    aim(random.uniform(0.4f, 1.4f), random.spread(0.4f, 1), random.uniform(-0.4f, 0.1f),
        0.1f * random.normal());
    if (random.chance(0.5f)) {
        room(true);
        indoor_light();
    } else {
        nature(true);
        day(false);
    }
    typical = z;
    if (room_left() < 120)
        s.primitives = MAX_PRIMITIVES - 120;
    const Place p = { in_view(z, random.uniform(-0.4f, 0.4f), random.uniform(-0.4f, 0.3f)),
                      3.1416f + 0.8f * random.normal() };

    m.cutout = CUT_NOISE;
    m.cut_scale = random.spread(60, 200);
    m.cut_level = 0.42f;
    const int fringe = keep(m);
    moves({ {}, vec3{ random.normal(), random.normal(), 0 } * 0.02f, p.at, 3, 0.2f * random.normal() });
    if (random.chance(0.7f))
        muzzle(p, size, coat, coat2);
    for (int i = 1 + random.below(3); i > 0; i--) { // the body: lumps with a fringe
        const vec3 c = p.point(0.8f * size * random.normal(), -size * random.uniform(0.6f, 1.6f),
                               -size * random.uniform(0.8f, 2));
        const vec3 half =
            vec3{ random.uniform(1, 2), random.uniform(0.8f, 1.5f), random.uniform(1, 2) } * size;
        const float yaw = random.uniform(0, 3);

        ellipsoid(coat, c, half, yaw);
        for (int k = 1; k <= 3; k++)
            ellipsoid(fringe, c, half * (1 + 0.025f * k), yaw)->casts = 0;
    }
    for (int i = random.below(3); i > 0; i--)
        limb(coat2, p.point(size * random.normal(), -1.2f * size, 0),
             p.point(size * random.normal(), -2 * size, 0.6f * size), 0.35f * size);
    rests();
}

void World::hands()
{
    const int m = skinny(skin()), sleeve = cloth();
    const bool on_table = random.chance(0.6f);

    if (!on_table)
        aim(random.uniform(0.9f, 1.6f), random.spread(0.6f, 1.2f), -random.uniform(0, 0.8f),
            0.05f * random.normal());
    if (on_table) {
        table_top();
    } else {
        random.chance(0.6f) ? room(true) : nature(true);
        typical = 0.7f;
    }
    if (room_left() < 130)
        s.primitives = MAX_PRIMITIVES - 130;
    for (int i = 1 + random.below(2), side = random.chance(0.5f) ? 1 : -1; i > 0; i--, side = -side) {
        const float z = random.uniform(0.3f, 0.8f), away = random.chance(0.7f) ? 0 : 3.1416f;
        const Place p = { in_view(z, side * random.uniform(0.05f, 0.6f), random.uniform(-0.6f, 0.3f)),
                          away - side * random.uniform(-0.3f, 0.9f) };
        const float size = random.uniform(0.17f, 0.21f), curl = random.uniform();

        moves({ {},
                vec3{ random.normal(), random.normal(), 0.5f * random.normal() } * 0.06f,
                {},
                random.uniform(2, 8) });
        hand(p, size, m, curl, (float)-side);
        limb(m, p.point(0, 0, 0), p.point(0, -0.03f, -0.12f), 0.03f);
        limb(sleeve, p.point(0, -0.02f, -0.1f), p.point(side * 0.1f, -0.25f, -0.45f), 0.045f);
        if (curl > 0.4f && random.chance(0.7f)) {
            const int held = any(0.1f);

            if (random.chance(0.5f))
                rod(held, p.point(-0.15f * side, -0.07f, 0.09f), p.point(0.2f * side, -0.05f, 0.1f),
                    random.uniform(0.004f, 0.02f));
            else if (random.chance(0.5f))
                screen(p.moved(0, -0.05f, 0.1f, 3.14f), 0.07f, 0.04f);
            else
                pillar(held, p.point(0, -0.16f, 0.09f), 0.035f, 0.04f, 0.15f);
        }
        rests();
    }
}

void World::table_top()
{
    const bool inside = random.chance(0.7f);

    aim(random.uniform(0.8f, 1.7f), random.spread(0.6f, 1.4f), -random.uniform(0, 0.75f),
        0.03f * random.normal());
    if (inside)
        room(random.chance(0.5f));
    else
        nature(random.chance(0.5f));
    const float top = fmaxf(s.camera.position.y - random.uniform(0.15f, 0.7f), 0.2f),
                d = random.uniform(0.35f, 0.9f);
    const float w = random.uniform(0.4f, 1.6f), z0 = random.uniform(0.25f, 0.5f),
                size = random.spread(0.08f, 0.35f);
    const int m = random.chance(0.4f)   ? wood()
                  : random.chance(0.4f) ? plain(neutral(0.3f, 0.9f), random.uniform(0, 0.4f))
                                        : any(0.7f);
    const float yaw = random.chance(0.6f) ? 0.1f * random.normal() : random.uniform(-0.7f, 0.7f);

    typical = 1.2f;
    box(m, { 0.2f * random.normal(), top - 0.02f, z0 + d }, { w, 0.02f, d }, yaw);
    if (random.chance(0.25f)) // a cloth on it
        relief(cloth(), FOLDS, { 0, top + 0.008f, z0 + d }, { 0.9f * w, 0.012f, 0.9f * d },
               random.uniform(3, 9), yaw);
    for (int i = 2 + random.below(14); i > 0 && room_left() > 60; i--) {
        const float z = random.uniform(z0 + 0.12f, z0 + 1.8f * d);

        thing({ z * s.camera.tan_x * random.uniform(-0.9f, 0.9f), top, z }, size * random.spread(0.6f, 2),
              random.uniform(0, 6.28f));
    }
    if (random.chance(0.2f))
        heap({ 0.3f * random.normal(), top, z0 + d * random.uniform(0.5f, 1.2f) },
             random.uniform(0.08f, 0.3f), 0.6f * size, 20, any(size));
    if (random.chance(0.15f))
        screen({ { random.uniform(-0.3f, 0.3f), top + 0.25f, z0 + d }, 3.14f + 0.4f * random.normal() },
               0.25f, 0.15f);
    if (random.chance(0.4f))
        person({ { random.uniform(-0.5f, 0.5f), top - random.uniform(0.7f, 1),
                   z0 + d * random.uniform(1.5f, 2.1f) + 0.2f },
                 3.14f + 0.4f * random.normal() },
               random.uniform(1.5f, 1.9f), true, random.chance(0.6f));
}

// Things in front of a backdrop.
void World::still_life()
{
    const float distance = random.uniform(1.6f, 4.5f);

    s.has_ground = random.chance(0.6f);
    s.ground = random.chance(0.5f) ? floors() : any(0.7f);
    typical = 0.6f * distance;
    backdrop(distance);
    if (random.chance(0.4f))
        card(random.chance(0.5f) ? walls() : any(0.3f * distance),
             { random.sign() * distance * random.uniform(0.5f, 1.2f), s.camera.position.y, 0.7f * distance },
             3 * distance, 3 * distance, 1.57f + 0.3f * random.normal())
            ->casts = 0;
    if (s.has_ground)
        s.camera.position.y = random.uniform(0.12f, 0.55f) * distance;
    s.room = { 0, s.camera.position.y, 0.4f * distance };
    s.room_half = { 0.5f * distance, 1.2f, 0.4f * distance };
    const float base =
        s.has_ground ? 0 : s.camera.position.y - distance * s.camera.tan_y * random.uniform(0.5f, 1);

    for (int i = random.below(4); i > 0; i--) { // pedestals
        const float z = distance * random.uniform(0.45f, 0.9f), w = distance * random.spread(0.05f, 0.35f);
        const float h = distance * random.spread(0.05f, 0.4f),
                    x = z * s.camera.tan_x * random.uniform(-0.9f, 0.9f);

        box(any(w), { x, base + 0.5f * h, z }, { w, 0.5f * h, w * random.uniform(0.3f, 1) },
            random.uniform(-0.8f, 0.8f));
        if (random.chance(0.7f))
            thing({ x, base + h, z }, w * random.uniform(0.5f, 1.2f), random.uniform(0, 6));
    }
    if (random.chance(0.3f)) // cloth behind
        drape({ { 0, 0, 0.97f * distance }, 3.1416f + 0.1f * random.normal() }, 1.5f * distance, 2 * distance,
              cloth());
    for (int i = 6 + random.below(28); i > 0 && room_left() > 60; i--) {
        const float z = distance * random.uniform(0.35f, 0.95f),
                    size = distance * random.spread(0.06f, 0.35f);
        const vec3 at = { z * s.camera.tan_x * random.uniform(-1, 1), base, z };
        const int kind = random.below(7);

        if (kind < 4) {
            thing(at, size, random.uniform(0, 6.28f));
        } else if (kind == 4) {
            const vec3 d = { 0.4f * random.normal(), random.uniform(0.3f, 1.3f), 0.3f * random.normal() };
            const float r = distance * random.spread(0.004f, 0.03f);

            rod(any(6 * r), at, at + d * (0.4f * distance), r);
        } else if (kind == 5) {
            heap(at, size, 0.5f * size, 12, any(size));
        } else {
            tilt(card(any(size), at + vec3{ 0, size, 0 }, size, size * random.uniform(0.5f, 1.5f),
                      random.uniform(-0.9f, 0.9f)),
                 0.4f * random.normal(), 0.3f * random.normal());
        }
    }
}

// A heap that fills the frame: fruit, stones, toys, boxes, rubble.
void World::pile()
{
    const float size = random.spread(0.04f, 0.5f), reach = size * random.uniform(3, 8);
    const float back = reach * random.uniform(1.2f, 2.5f), height = reach * random.uniform(0.4f, 1.6f);

    aim(height, random.spread(0.6f, 1.2f), -atan2f(height - 0.3f * reach, back) + 0.12f * random.normal(),
        0.1f * random.normal());
    s.has_ground = 1;
    s.ground = random.chance(0.5f) ? floors() : ground(random.below(WATER));
    typical = back;
    if (random.chance(0.4f))
        backdrop(back + 1.5f * reach);
    s.room = { 0, height, back };
    s.room_half = { reach, reach, reach };
    for (int i = 1 + random.below(3); i > 0; i--) {
        const int kind = random.chance(0.7f) ? (random.chance(0.3f) ? stone() : any(size)) : -1;
        const vec3 at = { reach * random.uniform(-0.8f, 0.8f), 0,
                          back + reach * random.uniform(-0.6f, 0.6f) };

        heap(at, reach * random.uniform(0.5f, 1.3f), size * random.uniform(0.5f, 1.3f),
             60 + random.below(120), kind);
    }
    for (int i = random.below(5); i > 0; i--)
        thing({ reach * random.normal(), 0, back + reach * random.normal() }, size * random.uniform(1, 3),
              random.uniform(0, 6));
}

// Shelves across the frame, or an aisle between two rows of them.
void World::shelves()
{
    const float distance = random.uniform(0.9f, 3), h = random.uniform(0.8f, 2.4f);
    const bool aisle = random.chance(0.35f);

    aim(random.uniform(0.5f, 0.9f) * h, random.spread(0.7f, 1.3f), 0.15f * random.normal(),
        0.04f * random.normal());
    room(false);
    s.room_half = { 6, 0.5f * fmaxf(2 * s.room_half.y, h + 0.3f), 10 };
    s.room = { 0, s.room_half.y, 4 };
    s.room_yaw = 0;
    typical = distance;
    for (int i = 0; i < 5 && room_left() > 80; i++) {
        const float w = random.uniform(0.4f, 1.1f),
                    yaw = 3.1416f + (random.chance(0.5f) ? 0 : 0.3f * random.normal());
        const int m = random.chance(0.5f) ? wood() : plain(neutral(0.2f, 0.9f), 0.2f);
        const float d = random.uniform(0.1f, 0.25f);

        if (aisle)
            shelf({ { (i % 2 ? -1 : 1) * random.uniform(0.9f, 1.3f), 0, 1 + 1.6f * (i / 2) },
                    (i % 2 ? 1.5708f : -1.5708f) },
                  0.9f, h, d, m);
        else
            shelf({ { (i - 2) * 1.4f, 0, distance + 0.1f * random.normal() }, yaw }, fminf(w, 0.7f), h, d, m);
    }
    if (random.chance(0.3f))
        person({ spot(1, distance), random.uniform(0, 6) }, 1.7f, true, false);
}

// Cloth, carpet, bark, sand, stone: a relief seen close, with a few things on it.
void World::fabric()
{
    const float size = random.spread(0.2f, 3), height = size * random.uniform(0.3f, 1.2f);
    const int kind = random.chance(0.5f) ? (int)FOLDS : random.below(5);
    const int m = kind == FOLDS || kind == QUILT ? cloth() : kind == PEBBLES ? stone() : any(size);
    const float deep = size * random.spread(0.03f, 0.25f), fov = random.spread(0.6f, 1.2f);

    aim(height + 2 * deep, fov, -random.uniform(0.3f, 1.3f), 0.2f * random.normal());
    s.has_ground = 1;
    s.ground = floors();
    typical = 1.3f * height;
    s.room = { 0, height, size };
    s.room_half = { size, size, size };
    relief(m, kind, { 0, deep, 1.6f * size }, { size * random.uniform(1, 3), deep, 2 * size },
           random.spread(1.5f, 9) / size, random.uniform(-0.6f, 0.6f));
    if (random.chance(0.5f))
        backdrop(size * random.uniform(2.5f, 5));
    for (int i = random.below(7); i > 0; i--)
        thing({ 0.6f * size * random.normal(), deep, size * random.uniform(0.5f, 2) },
              size * random.spread(0.08f, 0.5f), random.uniform(0, 6));
    if (random.chance(0.3f))
        drape({ { size * random.normal(), 0, 2.2f * size }, 3.14f + 0.5f * random.normal() }, size, size,
              cloth());
}
