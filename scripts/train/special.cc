// What is seldom and hard: things in the way, mirrors, machines, crowds, shapes without meaning.
#include "world.h"

// A place behind bars, a net, a lattice, branches or rain on a pane.
void World::barrier()
{
    static const int kinds[] = { CUT_BARS, CUT_LATTICE, CUT_GRID, CUT_GRID };
    const float z = random.spread(0.3f, 2.5f), step = z * random.spread(0.04f, 0.35f);

    random.chance(0.35f) ? room(true) : random.chance(0.5f) ? street() : nature(true);
    if (room_left() < 160)
        s.primitives = MAX_PRIMITIVES - 160;
    typical = 1.5f * z;
    if (random.chance(0.6f)) {
        const vec3 tone = random.chance(0.7f) ? neutral(0.03f, 0.6f) : colour();
        Material m = make(PLAIN, tone, tone, tone, 1);

        m.cutout = kinds[random.below(4)];
        m.cut_scale = 1 / step;
        m.cut_level = random.uniform(0.06f, 0.3f);
        const Primitive *p = card(keep(m), in_view(z, 0, 0), 4 * z, 3 * z, 3.1416f + 0.3f * random.normal());
        if (random.chance(0.5f))
            card(p->material, p->centre + vec3{ 0, 0, 0.03f }, 4 * z, 3 * z, 3.2f);
    } else if (random.chance(0.5f)) { // round bars, with depth
        const int m = random.chance(0.5f) ? metal() : wood();
        const float r = 0.12f * step, turn_ = random.chance(0.7f) ? 0 : random.uniform(-1, 1);

        for (int i = -12; i <= 12; i++) {
            const vec3 at = in_view(z, 0, 0) + turn(s.camera.right, s.camera.forward, turn_) * (i * step);
            const vec3 d = turn(s.camera.up, s.camera.forward, turn_) * (4 * z);

            rod(m, at - d, at + d, r);
        }
        if (random.chance(0.5f))
            for (int i = -4; i <= 4; i++)
                rod(m, in_view(z, -4, 0) + vec3{ 0, 2.5f * i * step, 0 },
                    in_view(z, 4, 0) + vec3{ 0, 2.5f * i * step, 0 }, r);
    } else { // twigs and leaves
        const int bark = wood(), green = leaf();

        for (int i = 2 + random.below(4); i > 0; i--)
            branch(in_view(z * random.uniform(0.8f, 1.4f), random.uniform(-1.2f, 1.2f), random.sign() * 1.2f),
                   unit({ random.normal(), random.normal(), 0.3f * random.normal() }), 0.5f * z, 0.015f * z,
                   bark, -1, 2);
        for (int i = random.below(40); i > 0 && room_left() > 8; i--)
            tumble(card(green,
                        in_view(z * random.uniform(0.8f, 1.4f), random.uniform(-1, 1), random.uniform(-1, 1)),
                        0.04f * z, 0.08f * z, random.uniform(0, 6)));
    }
}

// Leaves, stems and flowers close up.
void World::macro()
{
    const float distance = random.uniform(3, 9);
    const int stem = foliage(false, 0.2f), kinds = 1 + random.below(3);
    int leaves[3];

    for (int &kind : leaves)
        kind = leaf();
    s.has_ground = random.chance(0.5f);
    s.ground = ground(random.below(2));
    typical = 1.2f;
    Primitive *back = card(foliage(false, 0.4f * distance), { 0, s.camera.position.y, distance },
                           5 * distance, 4 * distance, 3.14f);
    tilt(back, 0.3f * random.normal(), 0);
    back->casts = 0;
    for (int i = 8 + random.below(70); i > 0 && room_left() > 8; i--) {
        const vec3 at = in_view(random.spread(0.7f, 0.8f * distance), random.uniform(-1.1f, 1.1f),
                                random.uniform(-1.1f, 1.1f));
        const float e = (at.z + 0.3f) * random.spread(0.04f, 0.3f);

        moves({ {}, vec3{ random.normal(), random.normal(), 0 } * (0.03f * e), {}, 4 });
        if (random.chance(0.65f)) {
            tilt(card(leaves[random.below(kinds)], at, e * random.uniform(0.25f, 0.6f), e,
                      random.uniform(0, 6)),
                 0.8f * random.normal(), 1.2f * random.normal());
        } else if (random.chance(0.6f)) {
            const vec3 top = at + vec3{ e * random.normal(), 2 * e, e * random.normal() };

            stick(CONE, stem, at - vec3{ 0, 2 * e, 0 }, top, 0.06f * e, 0.05f * e);
            if (random.chance(0.4f)) // a flower
                for (int k = 0; k < 6; k++)
                    tilt(
                        card(leaves[0], top + turn_y({ 0.25f * e, 0, 0 }, k), 0.2f * e, 0.35f * e, 1.57f + k),
                        -1.1f, 0);
        } else {
            tumble(ellipsoid(any(e), at, { 0.4f * e, e * random.uniform(0.2f, 0.5f), 0.4f * e }, 0));
        }
        rests();
    }
}

// A vehicle or an apparatus close up, in a garage or outside.
void World::machine()
{
    const float z = random.uniform(1, 3.6f);

    if (random.chance(0.6f)) {
        room(random.chance(0.6f));
        if (room_left() > 300 && random.chance(0.6f)) // a workshop
            for (int i = -1; i <= 1; i++)
                shelf({ { 1.5f * (float)i + 0.2f * random.normal(), 0, z + random.uniform(1, 2) }, 3.1416f },
                      0.7f, random.uniform(0.8f, 2.2f), 0.2f, random.chance(0.5f) ? wood() : metal());
    } else {
        s.has_ground = 1;
        s.ground = ground(random.below(5));
        if (random.chance(0.5f))
            backdrop(z + random.uniform(1, 4));
    }
    s.camera.position.y = random.uniform(0.4f, 1.4f);
    typical = z;
    if (room_left() < 220)
        s.primitives = MAX_PRIMITIVES - 220;
    for (int i = 1 + random.below(3); i > 0; i--) {
        const Place p = { { (i - 1.5f) * random.uniform(0.3f, 1.2f), 0, z + 0.7f * (i - 1) },
                          random.chance(0.5f) ? 1.5708f * random.sign() + 0.4f * random.normal()
                                              : random.uniform(0, 6.28f) };
        const int kind = random.below(5);

        if (kind < 3)
            cycle(p, random.uniform(0.9f, 1.3f));
        else if (kind == 3 && z > 2)
            car(p.moved(0, 0, 0.8f), 1);
        else
            truss(p.at + vec3{ 0, 0.8f, 0 }, random.uniform(0.4f, 1));
    }
    for (int i = random.below(8); i > 0; i--) {
        const vec3 a = spot(0.8f, 2 * z) + vec3{ 0, random.uniform(0.1f, 1.2f), 0 };
        const int m = metal();

        if (random.chance(0.4f))
            tumble(ring(m, a, random.uniform(0.05f, 0.3f), random.uniform(0.01f, 0.06f), 0));
        else if (random.chance(0.5f))
            rod(m, a, a + vec3{ random.normal(), random.normal(), random.normal() } * 0.4f,
                random.spread(0.008f, 0.06f));
        else
            thing(spot(0.8f, 2 * z), random.uniform(0.15f, 0.5f), random.uniform(0, 6));
    }
}

// Shapes of any kind in any order: depth must not hang on what things are.
void World::abstract()
{
    const bool grounded = random.chance(0.5f);
    static const int shapes[] = { ELLIPSOID, BOX, CONE, CAPSULE, CARD, TORUS };

    s.has_ground = grounded;
    s.ground = any(1.5f);
    typical = 4;
    if (random.chance(0.7f))
        backdrop(random.spread(4, 30));
    for (int i = 4 + random.below(80); i > 0 && room_left() > 4; i--) {
        const vec3 at =
            in_view(random.spread(1.2f, 20), random.uniform(-1.1f, 1.1f), random.uniform(-1.1f, 1.1f));
        const float e = length(at - s.camera.position) * random.spread(0.03f, 0.3f);
        const int shape = shapes[random.below(6)], m = any(e);
        vec3 half = { e * random.uniform(0.3f, 1), e * random.uniform(0.2f, 1), e * random.uniform(0.2f, 1) };

        moves({ vec3{ random.normal(), random.normal(), random.normal() } *
                (random.chance(0.4f) ? 0.1f * at.z : 0) });
        if (shape == TORUS)
            half.y *= 0.3f;
        Primitive *p = add(shape, m, at, half, random.uniform(0, 6));
        if (shape == CONE)
            p->taper = random.uniform(-0.9f, 0) * half.x / half.y;
        if (shape == CARD && random.chance(0.5f)) {
            of(m).cutout = CUT_LEAF;
            of(m).cut_scale = random.uniform(1, 4);
            of(m).cut_level = random.uniform(0.1f, 0.4f);
        }
        p->bound = 1.8f * length(half);
        tumble(p);
        if (grounded && random.chance(0.6f))
            p->centre.y = half.y;
        rests();
    }
}

// Mirrors, glass and screens as the subject.
void World::mirrors()
{
    room(true);
    typical = 2;
    for (int i = 1 + random.below(3); i > 0 && room_left() > 60; i--) {
        const vec3 at = spot(1.2f, 4);
        const float w = random.uniform(0.2f, 1), h = random.uniform(0.3f, 1);
        const Place p = { { at.x, h + 0.3f, at.z }, 3.14f + 0.5f * random.normal() };

        switch (random.below(4)) {
        case 0:
            card(mirror(), p.point(0, 0, 0.021f), w, h, p.yaw);
            box(wood(), p.at, { 1.05f * w, 1.05f * h, 0.02f }, p.yaw);
            break;
        case 1:
            screen(p, w, 0.6f * w);
            break;
        case 2: // a pane or a case
            box(glass(), p.at, { w, h, random.uniform(0.01f, 0.4f) }, p.yaw);
            thing({ at.x, 0, at.z + 0.5f }, 0.6f, 0);
            break;
        default:
            ball(mirror(), { at.x, 0.5f * h, at.z }, 0.5f * h);
        }
    }
    for (int i = random.below(8); i > 0; i--)
        bottle(spot(0.8f, 3) + vec3{ 0, random.chance(0.5f) ? 0 : 0.7f, 0 }, random.uniform(0.2f, 0.5f),
               glass());
}

// One surface and little else: a wall, a floor, a slope. Nothing but texture tells how it lies.
void World::surface()
{
    const float distance = random.spread(0.5f, 8);

    typical = distance;
    if (random.chance(0.5f)) {
        s.has_ground = 1;
        s.ground = random.chance(0.5f) ? floors() : ground(random.below(GROUNDS));
    }
    Primitive *p = card(random.chance(0.5f) ? walls() : any(0.3f * distance), in_view(distance, 0, 0),
                        30 * distance, 30 * distance, 3.14f + 0.6f * random.normal());
    tilt(p, 0.25f * random.normal(), 0);
    p->casts = 0;
    for (int i = random.below(5); i > 0; i--) {
        const vec3 at = in_view(distance * random.uniform(0.6f, 0.97f), random.uniform(-0.9f, 0.9f),
                                random.uniform(-0.9f, 0.9f));
        const float e = distance * random.spread(0.03f, 0.2f);

        random.chance(0.5f)
            ? (void)box(any(e), at, { e, e * random.uniform(0.3f, 1), 0.3f * e }, p->axis[0].z)
            : thing(at, e, random.uniform(0, 6));
    }
}

// Many people or animals: an audience, a queue, a herd.
void World::crowd()
{
    const bool seated = random.chance(0.4f), herd = random.chance(0.2f);
    const float facing = random.chance(0.5f) ? 3.14f : random.uniform(0, 6.28f);

    random.chance(0.4f) ? hall() : random.chance(0.5f) ? street() : nature(false);
    if (room_left() < 300)
        s.primitives = MAX_PRIMITIVES - 300;
    typical = 4;
    for (int i = 0; i < 18 && room_left() > 30; i++) {
        const Place p = { spot(1.5f, 15), facing + 0.3f * random.normal() };

        moves({ seated ? vec3{} : turn_y({ 0, 0, random.uniform(0, 1.2f) }, p.yaw) });
        herd ? animal(p, random.uniform(1, 1.5f)) : person(p, random.uniform(1.4f, 1.9f), false, seated);
        rests();
    }
}

// Something near the lens, at the frame's edge.
void World::foreground()
{
    const float z = random.uniform(0.4f, 1.3f), side = random.sign();
    const vec3 at = in_view(z, side * random.uniform(0.6f, 1.1f), random.uniform(-1, 0.6f));

    switch (random.below(5)) {
    case 0: {
        const int m = foliage(true, 0.3f);

        for (int i = 0; i < 4; i++)
            ellipsoid(m, at + vec3{ random.normal(), random.normal(), random.normal() } * 0.12f,
                      vec3{ random.uniform(0.05f, 0.25f), random.uniform(0.05f, 0.25f), 0.1f } * z,
                      random.uniform(0, 3));
        break;
    }
    case 1:
        box(any(0.4f), at,
            vec3{ random.uniform(0.05f, 0.35f), random.uniform(0.1f, 0.6f), random.uniform(0.05f, 0.2f) } * z,
            random.uniform(0, 3));
        break;
    case 2: {
        const float r = random.uniform(0.02f, 0.15f);

        pillar(any(0.3f), { at.x, s.camera.position.y - 3, at.z }, r, r, 6);
        break;
    }
    case 3: // someone's shoulder and head, from behind
        person({ { at.x, s.camera.position.y - random.uniform(1.4f, 1.7f), at.z + 0.2f },
                 random.uniform(-1, 1) },
               1.75f, true, false);
        break;
    default:
        fence({ { 0, s.camera.position.y - random.uniform(0.8f, 1.5f), z + 0.3f },
                3.14f + 0.2f * random.normal() },
              3, random.uniform(0.6f, 1.2f));
    }
}
