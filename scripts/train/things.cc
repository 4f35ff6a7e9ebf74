// Furniture, plants, vehicles and buildings. Sizes in metres.
#include "world.h"

void World::bottle(vec3 foot, float size, int m)
{
    const float r = size * random.uniform(0.12f, 0.25f), h = size * random.uniform(0.6f, 1.2f);
    const int cap = any(size);

    pillar(m, foot, r, r, 0.65f * h);
    ellipsoid(m, foot + vec3{ 0, 0.65f * h, 0 }, { r, 0.8f * r, r }, 0);
    pillar(m, foot + vec3{ 0, 0.7f * h, 0 }, 0.4f * r, 0.35f * r, 0.3f * h);
    pillar(cap, foot + vec3{ 0, 0.97f * h, 0 }, 0.42f * r, 0.42f * r, 0.08f * h);
    if (random.chance(0.6f))
        pillar(any(size * 0.5f), foot + vec3{ 0, 0.2f * h, 0 }, 1.01f * r, 1.01f * r, 0.3f * h);
}

void World::mug(Place p, float size, int m)
{
    const float r = size * random.uniform(0.2f, 0.35f), h = size * random.uniform(0.4f, 0.8f);

    pillar(m, p.at, 0.85f * r, r, h);
    pillar(plain(neutral(0.02f, 0.3f), 0.2f), p.point(0, h, 0), 0.9f * r, 0.9f * r, 0.004f * size);
    tilt(ring(m, p.point(1.05f * r, 0.5f * h, 0), 0.28f * h, 0.05f * h, p.yaw), 1.5708f, 0);
}

void World::books(vec3 foot, float size, float yaw)
{
    const float w = size * random.uniform(0.4f, 0.7f);
    float y = 0;

    for (int i = 1 + random.below(5); i > 0; i--) {
        const float t = size * random.uniform(0.04f, 0.14f), turned = yaw + 0.3f * random.normal();
        const vec3 half = { 0.5f * w * random.uniform(0.8f, 1), 0.5f * t,
                            0.5f * w * random.uniform(0.6f, 0.8f) };

        box(any(size), foot + vec3{ 0, y + 0.5f * t, 0 }, half, turned);
        box(plain(neutral(0.6f, 0.9f), 0), foot + vec3{ 0, y + 0.5f * t, 0 },
            { half.x * 1.003f, half.y * 0.8f, half.z * 0.99f }, turned);
        y += t;
    }
}

void World::plant(vec3 foot, float size)
{
    const float r = size * random.uniform(0.15f, 0.3f);
    const int stem = foliage(false, size), bush = foliage(true, 0.6f * size), blade = leaf();

    pillar(any(size), foot, 0.7f * r, r, 1.6f * r);
    for (int i = random.below(5); i > 0; i--)
        ellipsoid(
            bush,
            foot + vec3{ 0.25f * size * random.normal(), 1.6f * r + size * random.uniform(0.2f, 0.7f),
                         0.25f * size * random.normal() },
            vec3{ random.uniform(0.15f, 0.4f), random.uniform(0.15f, 0.4f), random.uniform(0.15f, 0.4f) } *
                size,
            0);
    for (int i = random.below(12); i > 0; i--) {
        const vec3 d = unit({ random.normal(), 0.6f + random.uniform(), random.normal() });
        const vec3 base = foot + vec3{ 0, 1.5f * r, 0 }, tip = base + d * (size * random.uniform(0.5f, 1.2f));

        stick(CONE, stem, base, tip, 0.12f * r, 0.04f * r);
        tumble(card(blade, tip, 0.13f * size, 0.26f * size, random.uniform(0, 6)));
    }
}

void World::lamp(vec3 foot, float size)
{
    const float h = size * random.uniform(0.8f, 2);
    const int m = metal();
    Material shade = make(PLAIN, neutral(0.5f, 0.9f), grey(1), grey(1), 1);

    shade.emission = random.chance(0.5f) ? random.uniform(0.5f, 3) : 0;
    pillar(m, foot, 0.2f * size, 0.2f * size, 0.03f * size);
    pillar(m, foot, 0.025f * size, 0.025f * size, h);
    pillar(keep(shade), foot + vec3{ 0, 0.85f * h, 0 }, 0.35f * size, 0.2f * size, 0.4f * size);
    if (shade.emission > 0 && s.lamps < MAX_LAMPS / 2)
        s.lamp[s.lamps++] = { foot + vec3{ 0, 0.85f * h + 0.2f * size, 0 },
                              vec3{ 1, 0.8f, 0.55f } * (random.uniform(0.1f, 0.5f) * fminf(2 * size, 1)) };
}

// Something that stands on foot, about `size` large.
void World::thing(vec3 foot, float size, float yaw)
{
    const int m = random.chance(0.06f) ? glass() : random.chance(0.12f) ? metal() : any(size);

    switch (random.below(13)) {
    case 0: {
        const float h = size * random.uniform(0.15f, 1);

        box(m, foot + vec3{ 0, 0.5f * h, 0 },
            { 0.5f * size * random.uniform(0.3f, 1), 0.5f * h, 0.5f * size * random.uniform(0.2f, 1) }, yaw);
        break;
    }
    case 1: {
        const float r = size * random.uniform(0.15f, 0.5f);

        pillar(m, foot, r, r * random.uniform(0.5f, 1.5f), size * random.uniform(0.3f, 1.3f));
        break;
    }
    case 2: {
        const float r = size * random.uniform(0.3f, 0.6f), h = r * random.uniform(0.5f, 1.2f);

        ellipsoid(m, foot + vec3{ 0, h, 0 }, { r, h, r * random.uniform(0.7f, 1.3f) }, yaw);
        break;
    }
    case 3:
        bottle(foot, size, random.chance(0.4f) ? glass() : m);
        break;
    case 4:
        mug({ foot, yaw }, size, m);
        break;
    case 5:
        books(foot, size, yaw);
        break;
    case 6:
        plant(foot, size);
        break;
    case 7:
        lamp(foot, size);
        break;
    case 8: // a lump of parts
        for (int i = 2 + random.below(4); i > 0; i--) {
            const float e = size * random.uniform(0.15f, 0.4f);
            const vec3 c =
                foot +
                vec3{ 0.3f * random.normal(), random.uniform(0.2f, 0.7f), 0.3f * random.normal() } * size;
            const vec3 half = { e, e * random.uniform(0.3f, 1), e * random.uniform(0.3f, 1) };

            tumble(
                add(random.chance(0.5f) ? ELLIPSOID : BOX, random.chance(0.6f) ? m : any(size), c, half, 0));
        }
        break;
    case 9: { // a bowl of balls
        const float r = size * random.uniform(0.3f, 0.5f);
        const int fruit = any(size);

        pillar(m, foot, 0.5f * r, r, 0.6f * r);
        heap(foot + vec3{ 0, 0.55f * r, 0 }, 0.7f * r, 0.3f * r, 7, fruit);
        break;
    }
    case 10: { // a bust or a doll
        const Place p = { foot + vec3{ 0, 0.75f * size, 0 }, yaw };
        Primitive *q = add(HEAD, m, p.at, vec3{ 0.2f, 0.27f, 0.25f } * size, yaw);

        q->taper = random.uniform(-1, 1);
        ellipsoid(any(size), p.point(0, -0.45f * size, 0), { 0.32f * size, 0.3f * size, 0.2f * size }, yaw);
        break;
    }
    case 11:
        ring(m, foot + vec3{ 0, 0.12f * size, 0 }, 0.4f * size, 0.12f * size, yaw);
        if (random.chance(0.5f))
            tilt(ring(m, foot + vec3{ 0, 0.5f * size, 0 }, 0.38f * size, 0.1f * size, yaw), 1.4f, 0);
        break;
    default: { // a toy animal
        if (room_left() > 40)
            animal({ foot, yaw }, 0.8f * size);
    }
    }
}

void World::table(Place p, float w, float d, float h, int m, int legs)
{
    const float t = random.uniform(0.012f, 0.04f), r = random.uniform(0.015f, 0.05f);

    if (random.chance(0.2f)) {
        pillar(m, p.point(0, h - 2 * t, 0), w, w, 2 * t);
        pillar(legs, p.at, 0.04f, 0.04f, h);
        pillar(legs, p.at, 0.5f * w, 0.4f * w, 0.03f);
        return;
    }
    box(m, p.point(0, h - t, 0), { w, t, d }, p.yaw);
    for (int i = 0; i < 4; i++) {
        const vec3 foot = p.point((i % 2 ? 1 : -1) * (w - 1.5f * r), 0, (i / 2 ? 1 : -1) * (d - 1.5f * r));

        if (r > 0.03f)
            box(legs, foot + vec3{ 0, 0.5f * h - t, 0 }, { r, 0.5f * h - t, r }, p.yaw);
        else
            pillar(legs, foot, r, r, h - 2 * t);
    }
}

void World::chair(Place p, int m, int legs)
{
    const float w = random.uniform(0.2f, 0.26f), h = random.uniform(0.4f, 0.5f),
                back = random.uniform(0.2f, 0.3f);

    box(m, p.point(0, h, 0), { w, 0.025f, w }, p.yaw);
    for (int i = 0; i < 4; i++)
        pillar(legs, p.point((i % 2 ? 0.85f : -0.85f) * w, 0, (i / 2 ? 0.85f : -0.85f) * w), 0.018f, 0.018f,
               h);
    if (random.chance(0.5f)) {
        box(m, p.point(0, h + back + 0.1f, -0.95f * w), { w, back, 0.02f }, p.yaw);
        return;
    }
    for (int i = -2; i <= 2; i++)
        box(legs, p.point(0.42f * w * i, h + back, -0.95f * w), { 0.018f, back, 0.015f }, p.yaw);
    box(legs, p.point(0, h + 2 * back, -0.95f * w), { w, 0.04f, 0.018f }, p.yaw);
}

void World::sofa(Place p, float w, int m)
{
    const float d = random.uniform(0.38f, 0.5f), h = random.uniform(0.18f, 0.25f);

    box(m, p.point(0, h, 0), { w, h, d }, p.yaw);
    box(m, p.point(0, 2 * h + 0.2f, -0.8f * d), { w, 0.25f, 0.22f * d }, p.yaw);
    for (int side = -1; side <= 1; side += 2)
        box(m, p.point(side * w, h + 0.12f, 0), { 0.1f, h + 0.12f, d }, p.yaw);
    for (int i = random.below(4); i > 0; i--)
        tilt(ellipsoid(cloth(), p.point(w * random.uniform(-0.8f, 0.8f), 2 * h + 0.2f, -0.4f * d),
                       { 0.22f, 0.2f, 0.1f }, p.yaw + 0.2f * random.normal()),
             -0.3f, 0.2f * random.normal());
    for (int i = random.below(3); i > 0; i--)
        ellipsoid(m, p.point(w * (i - 1.5f), 2 * h, 0.02f), { 0.5f * w, 0.08f, 0.9f * d }, p.yaw);
}

void World::bed(Place p, int m)
{
    const float w = random.uniform(0.5f, 0.95f);
    const int blanket = cloth(), pillow = random.chance(0.7f) ? plain(neutral(0.5f, 0.9f), 0) : cloth();

    box(m, p.point(0, 0.15f, 0), { w, 0.15f, 1.05f }, p.yaw);
    box(blanket, p.point(0, 0.4f, 0), { 0.98f * w, 0.12f, 1 }, p.yaw);
    relief(blanket, random.chance(0.6f) ? FOLDS : QUILT, p.point(0, 0.53f, 0.15f), { 1.02f * w, 0.06f, 0.9f },
           random.uniform(2, 6), p.yaw);
    box(m, p.point(0, 0.5f, -1.07f), { w, 0.5f, 0.04f }, p.yaw);
    for (int side = -1; side <= 1; side += 2)
        ellipsoid(pillow, p.point(side * 0.45f * w, 0.62f, -0.78f), { 0.42f * w, 0.11f, 0.22f }, p.yaw);
}

void World::shelf(Place p, float w, float h, float d, int m)
{
    const int boards = 2 + random.below(4);

    box(m, p.point(0, 0.5f * h, -d), { w, 0.5f * h, 0.012f }, p.yaw);
    for (int side = -1; side <= 1; side += 2)
        box(m, p.point(side * w, 0.5f * h, 0), { 0.015f, 0.5f * h, d }, p.yaw);
    for (int i = 0; i <= boards; i++) {
        const float y = h * i / boards, gap = h / boards;

        box(m, p.point(0, y, 0), { w, 0.015f, d }, p.yaw);
        for (int n = 1 + random.below(6), j = 0; j < n && i < boards && room_left() > 20; j++) {
            const float cell = w / n, x = -w + (2 * j + 1) * cell, high = gap * random.uniform(0.2f, 0.44f);
            const float back = d * random.uniform(-0.5f, 0.2f), q = random.uniform();

            if (q < 0.35f) { // a row of books
                Material spines = make(SPINES, colour(), colour(), colour(), random.spread(20, 40));

                box(keep(spines), p.point(x, y + high, back), { 0.9f * cell, high, 0.7f * d }, p.yaw);
            } else if (q < 0.55f) {
                box(any(0.2f), p.point(x, y + high, back),
                    { cell * random.uniform(0.3f, 0.8f), high, 0.6f * d }, p.yaw);
            } else if (q < 0.9f) {
                thing(p.point(x, y + 0.015f, 0), fminf(1.3f * high, 1.2f * cell), p.yaw + random.normal());
            }
        }
    }
}

// A television, a monitor or a telephone held up: glossy, glowing and flat.
void World::screen(Place p, float w, float h)
{
    const int frame = plain(neutral(0.01f, 0.1f), 0.5f);
    const int face = random.chance(0.8f) ? picture(random.uniform(0.4f, 2)) : plain(grey(0.015f), 0.7f);

    box(frame, p.at, { 1.04f * w, h + 0.04f * w, 0.02f * w }, p.yaw);
    card(face, p.point(0, 0, 0.021f * w), w, h, p.yaw);
}

void World::conifer(vec3 foot, float height, int bark, int leaves)
{
    const float r = 0.03f * height;
    const int tiers = 2 + random.below(5);

    pillar(bark, foot, r, 0.6f * r, 0.3f * height);
    for (int i = 0; i < tiers; i++) {
        const float y = height * (0.15f + 0.7f * i / tiers), w = 0.28f * height * (1 - 0.75f * i / tiers);

        pillar(leaves, foot + vec3{ 0, y, 0 }, w, 0.05f * w, height * (0.95f / tiers + 0.12f));
    }
}

// A branch that forks; leaves at its ends, if any.
void World::branch(vec3 from, vec3 along, float length, float radius, int bark, int leaves, int depth)
{
    const vec3 to = from + along * length;

    if (room_left() < 12)
        return;
    stick(CONE, bark, from, to, radius, 0.65f * radius);
    if (!depth) {
        if (leaves >= 0)
            ellipsoid(leaves, to,
                      vec3{ random.uniform(0.5f, 1), random.uniform(0.35f, 0.8f), random.uniform(0.5f, 1) } *
                          length,
                      random.uniform(0, 3));
        return;
    }
    for (int i = 2 + random.below(2); i > 0; i--) {
        const vec3 aside = { 0.55f * random.normal(), 0.25f * random.normal(), 0.55f * random.normal() };

        branch(to, unit(along + aside), length * random.uniform(0.55f, 0.8f), 0.62f * radius, bark, leaves,
               depth - 1);
    }
}

void World::tree(vec3 foot, float height, int bark, int leaves)
{
    const float q = random.uniform(), r = height * random.uniform(0.02f, 0.05f);

    if (q < 0.25f) {
        conifer(foot, height, bark, leaves);
    } else if (q < 0.65f && room_left() > 80) {
        branch(foot, unit({ 0.08f * random.normal(), 1, 0.08f * random.normal() }),
               height * random.uniform(0.25f, 0.4f), r, bark, random.chance(0.15f) ? -1 : leaves,
               2 + random.below(2));
    } else {
        const vec3 top =
            foot +
            vec3{ 0.06f * random.normal(), random.uniform(0.25f, 0.5f), 0.06f * random.normal() } * height;
        const float w = height * random.uniform(0.18f, 0.36f);

        stick(CONE, bark, foot, top, 1.3f * r, 0.8f * r);
        for (int i = 3 + random.below(7); i > 0; i--) {
            const float e = w * random.uniform(0.4f, 1);
            const vec3 c = top + vec3{ 0.8f * w * random.normal(), height * random.uniform(0.05f, 0.45f),
                                       0.8f * w * random.normal() };

            ellipsoid(leaves, c, { e, e * random.uniform(0.6f, 1), e * random.uniform(0.7f, 1.1f) },
                      random.uniform(0, 3));
            if (random.chance(0.5f))
                stick(CONE, bark, top, c, 0.6f * r, 0.3f * r);
        }
    }
}

void World::car(Place p, float k)
{
    const int body = plain(colour(), random.uniform(0.3f, 0.9f)), window = plain(grey(0.03f), 0.8f);
    const int tyre = plain(grey(0.02f), 0.05f), light = plain({ 0.9f, 0.9f, 0.8f }, 0.5f), rim = metal();
    const int rear = plain({ 0.5f, 0.02f, 0.02f }, 0.5f), plate = plain(grey(0.8f), 0.1f);
    const float l = 2.1f * k, w = 0.88f * k, h = random.uniform(0.25f, 0.4f) * k,
                cabin = random.uniform(0.24f, 0.5f) * k;
    const bool van = random.chance(0.2f);

    of(body).mirror = random.uniform(0, 0.12f);
    of(window).mirror = 0.1f;
    of(rear).emission = random.chance(0.3f) ? 3 : 0;
    box(body, p.point(0, 0.28f * k + h, 0), { w, h, l }, p.yaw);
    ellipsoid(body, p.point(0, 0.28f * k + 1.5f * h, 0.55f * l), { w, 0.9f * h, 0.5f * l }, p.yaw);
    if (van) {
        box(body, p.point(0, 0.28f * k + 2 * h + 1.4f * cabin, 0), { 0.95f * w, 1.4f * cabin, 0.95f * l },
            p.yaw);
        box(window, p.point(0, 0.28f * k + 2 * h + 1.6f * cabin, 0.2f * l),
            { 0.96f * w, 0.6f * cabin, 0.76f * l }, p.yaw);
    } else {
        const float long_ = l * random.uniform(0.45f, 0.6f);

        ellipsoid(window, p.point(0, 0.28f * k + 2 * h, -0.1f * l),
                  { 0.93f * w, 1.9f * cabin, 1.15f * long_ }, p.yaw);
        ellipsoid(body, p.point(0, 0.28f * k + 2 * h + 1.2f * cabin, -0.1f * l),
                  { 0.8f * w, 0.75f * cabin, 0.85f * long_ }, p.yaw);
    }
    for (int side = -1; side <= 1; side += 2) {
        for (int end = -1; end <= 1; end += 2) {
            rod(tyre, p.point(side * (w - 0.1f * k), 0.32f * k, end * 0.6f * l),
                p.point(side * (w + 0.04f * k), 0.32f * k, end * 0.6f * l), 0.32f * k);
            rod(rim, p.point(side * w, 0.32f * k, end * 0.6f * l),
                p.point(side * (w + 0.05f * k), 0.32f * k, end * 0.6f * l), 0.2f * k);
        }
        box(light, p.point(side * 0.7f * w, 0.28f * k + 1.2f * h, l), vec3{ 0.16f, 0.08f, 0.02f } * k, p.yaw);
        box(rear, p.point(side * 0.75f * w, 0.28f * k + 1.3f * h, -l), vec3{ 0.12f, 0.1f, 0.02f } * k, p.yaw);
    }
    box(plate, p.point(0, 0.45f * k, -l), vec3{ 0.25f, 0.06f, 0.015f } * k, p.yaw);
}

// A bicycle or a motorcycle, along z.
void World::cycle(Place p, float k)
{
    const bool motor = random.chance(0.5f);
    const int frame = random.chance(0.5f) ? metal() : plain(colour(), 0.6f), tyre = plain(grey(0.03f), 0.05f);
    const int seat = plain(neutral(0.02f, 0.2f), 0.2f), shiny = metal(), body = plain(colour(), 0.7f);
    const float r = (motor ? 0.3f : 0.34f) * k, reach = (motor ? 0.68f : 0.52f) * k,
                tube = (motor ? 0.03f : 0.016f) * k;
    const vec3 rear = p.point(0, r, -reach), front = p.point(0, r, reach),
               crank = p.point(0, 0.9f * r, -0.1f * reach);
    const vec3 saddle = p.point(0, 2.5f * r, -0.35f * reach), bars = p.point(0, 2.9f * r, 0.62f * reach);
    const vec3 wheels[2] = { rear, front };

    for (vec3 hub : wheels) {
        tilt(ring(tyre, hub, 0.9f * r, (motor ? 0.2f : 0.08f) * r, p.yaw), 0, 1.5708f);
        rod(shiny, hub + turn_y({ -0.06f * k, 0, 0 }, p.yaw), hub + turn_y({ 0.06f * k, 0, 0 }, p.yaw),
            0.1f * r);
        for (int i = 0; i < (motor ? 5 : 8); i++) {
            const float a = 6.2832f * i / (motor ? 5 : 8);

            rod(shiny, hub, hub + turn_y({ 0, 0.85f * r * sinf(a), 0.85f * r * cosf(a) }, p.yaw),
                motor ? 0.04f * r : 0.008f * r);
        }
    }
    rod(frame, rear, crank, tube);
    rod(frame, crank, saddle, tube);
    rod(frame, rear, mix(crank, saddle, 0.9f), 0.8f * tube);
    rod(frame, mix(crank, saddle, 0.85f), mix(bars, front, 0.25f), tube);
    rod(frame, crank, mix(bars, front, 0.35f), tube);
    rod(shiny, bars, front, 1.2f * tube);
    ellipsoid(seat, saddle, vec3{ motor ? 0.15f : 0.08f, 0.05f, motor ? 0.34f : 0.13f } * k, p.yaw);
    rod(seat, bars + turn_y({ -0.3f * k, 0.03f * k, -0.05f * k }, p.yaw),
        bars + turn_y({ 0.3f * k, 0.03f * k, -0.05f * k }, p.yaw), tube);
    if (!motor)
        return;
    ellipsoid(body, p.point(0, 2.5f * r, 0.2f * reach), vec3{ 0.16f, 0.14f, 0.28f } * k, p.yaw);
    ellipsoid(body, p.point(0, 2.5f * r, -0.85f * reach), vec3{ 0.12f, 0.08f, 0.25f } * k, p.yaw);
    for (int i = 0; i < 6; i++) // the engine: ribs
        box(shiny, p.point(0, (1.1f + 0.14f * i) * r, 0.05f * reach), vec3{ 0.15f, 0.012f, 0.16f } * k,
            p.yaw);
    box(frame, p.point(0, 1.25f * r, 0.02f * reach), vec3{ 0.12f, 0.2f, 0.2f } * k, p.yaw);
    box(body, p.point(0, 1.9f * r, -0.5f * reach), vec3{ 0.13f, 0.1f, 0.14f } * k, p.yaw);
    ellipsoid(shiny, p.point(0.1f * k, 1.05f * r, -0.1f * reach), vec3{ 0.1f, 0.16f, 0.22f } * k, p.yaw);
    for (vec3 hub : wheels) // mudguards
        ellipsoid(random.chance(0.5f) ? body : shiny, hub + vec3{ 0, 0.75f * r, 0 },
                  { 0.09f * k, 0.42f * r, 0.95f * r }, p.yaw);
    for (int side = -1; side <= 1; side += 2) {
        const vec3 aside = turn_y({ side * 0.11f * k, 0, 0 }, p.yaw);

        rod(shiny, front + aside, bars + aside, 1.3f * tube);
        rod(frame, rear + aside, saddle + aside, tube);
        stick(CONE, shiny, p.point(side * 0.14f * k, 0.8f * r, 0),
              p.point(side * 0.2f * k, 1.1f * r, -1.5f * reach), 0.03f * k, 0.06f * k);
        tilt(ring(shiny, p.point(side * 0.28f * k, 3.5f * r, 0.6f * reach), 0.05f * k, 0.012f * k, p.yaw),
             1.5708f, 0);
    }
    ball(shiny, p.point(0, 2.7f * r, 0.95f * reach), 0.1f * k);
}

void World::building(Place p, float w, float h, float d)
{
    const float hue_ = random.uniform(0.02f, 0.13f), saturation = random.uniform(0, 0.5f);
    const vec3 a = random.chance(0.6f) ? hsv(hue_, saturation, random.uniform(0.15f, 0.7f)) : colour();
    const bool glazed = random.chance(0.25f);
    const vec3 pane =
        glazed ? vec3{ 0.2f, 0.3f, 0.4f } * random.uniform(0.4f, 1.5f) : grey(random.uniform(0.02f, 0.15f));
    const vec3 bright = random.chance(0.3f) ? vec3{ 0.9f, 0.75f, 0.4f } * random.uniform(0.5f, 1.5f)
                                            : vec3{ 0.5f, 0.6f, 0.7f } * random.uniform(0.2f, 1.2f);
    Material m = make(random.chance(0.85f) ? FACADE : BRICKS, a, pane, bright, random.spread(0.22f, 0.6f));

    m.stretch = random.uniform(0.7f, 1.3f);
    m.gloss = glazed ? random.uniform(0.3f, 0.8f) : 0.02f;
    m.mirror = glazed ? random.uniform(0.05f, 0.3f) : 0;
    box(keep(m), p.point(0, 0.5f * h, 0), { w, 0.5f * h, d }, p.yaw);
    if (random.chance(0.5f))
        box(plain(a * random.uniform(0.4f, 1.1f), 0), p.point(0, h, 0), { 1.03f * w, 0.25f, 1.03f * d },
            p.yaw);
    if (random.chance(0.3f) && h < 14)
        tilt(box(any(2), p.point(0, h + 0.1f * w, 0), { 0.72f * w, 0.72f * w, 1.02f * d }, p.yaw), 0, 0.785f);
    if (random.chance(0.5f)) { // signs and awnings
        const int sign = any(1);
        const float side = random.sign();

        for (int i = 1 + random.below(3); i > 0; i--)
            box(sign, p.point(side * (w + 0.1f), random.uniform(2.5f, 4), d * random.uniform(-0.9f, 0.9f)),
                { 0.15f, random.uniform(0.3f, 0.8f), random.uniform(0.4f, 1.5f) }, p.yaw);
    }
    if (random.chance(0.25f) && room_left() > 200) { // balconies
        const int slab = plain(a * 0.7f, 0);

        for (int i = 1; i < 4; i++)
            box(slab, p.point(random.sign() * w, 3.0f * i, d * random.uniform(-0.5f, 0.5f)),
                { 1, 0.08f, 0.25f * d }, p.yaw);
    }
}

void World::pole(vec3 foot, float height)
{
    const int m = random.chance(0.6f) ? metal() : plain(colour(), 0.1f);
    const float r = random.uniform(0.03f, 0.12f), q = random.uniform(), a = random.uniform(0, 6.2832f);
    const vec3 top = foot + vec3{ 0, height, 0 };

    pillar(m, foot, r, 0.7f * r, height);
    if (q < 0.5f)
        stick(CONE, m, top, top + vec3{ cosf(a), 0.15f, sinf(a) } * random.uniform(0.5f, 2), 0.6f * r,
              0.5f * r);
    else if (q < 0.75f)
        card(any(0.6f), foot + vec3{ 0, 0.9f * height, -r - 0.02f }, random.uniform(0.2f, 0.7f),
             random.uniform(0.2f, 0.6f), 0.5f * random.normal());
    else if (q < 0.85f)
        box(plain(grey(0.03f), 0.1f), top, { 0.16f, 0.45f, 0.16f }, a);
}

void World::truss(vec3 centre, float reach)
{
    const int m = random.chance(0.5f) ? metal() : plain(colour(), 0.2f);
    const float r = reach * random.spread(0.008f, 0.05f);
    vec3 a = centre + vec3{ random.normal(), random.uniform(-0.8f, 0.8f), 0.3f * random.normal() } * reach;

    for (int i = 5 + random.below(16); i > 0 && room_left() > 10; i--) {
        const bool upright = random.chance(0.5f);
        const vec3 d = upright ? vec3{ 0.15f * random.normal(), random.sign(), 0.15f * random.normal() }
                               : vec3{ random.normal(), 0.5f * random.normal(), 0.5f * random.normal() };
        const vec3 b = a + d * (reach * random.uniform(0.4f, 1));

        rod(m, a, b, r);
        a = random.chance(0.6f)
                ? b
                : centre +
                      vec3{ random.normal(), random.uniform(-0.8f, 0.8f), 0.3f * random.normal() } * reach;
    }
}

void World::stairs(Place p, float w)
{
    const int m = any(1);
    const float h = random.uniform(0.12f, 0.2f), d = random.uniform(0.24f, 0.35f);

    for (int i = 0, n = 3 + random.below(9); i < n; i++)
        box(m, p.point(0, 0.5f * h * (i + 1), d * i), { w, 0.5f * h * (i + 1), 0.5f * d }, p.yaw);
}

void World::fence(Place p, float w, float h)
{
    static const int kinds[] = { CUT_BARS, CUT_BARS, CUT_LATTICE, CUT_GRID };
    const vec3 tone =
        random.chance(0.5f) ? neutral(0.05f, 0.8f) : hsv(0.08f, 0.4f, random.uniform(0.15f, 0.5f));
    Material m = make(PLAIN, tone, tone, tone, 1);
    const int post = plain(neutral(0.1f, 0.6f), 0);

    m.cutout = kinds[random.below(4)];
    m.cut_scale = random.spread(1.5f, 9);
    m.cut_level = random.uniform(0.08f, 0.5f);
    card(keep(m), p.point(0, 0.5f * h, 0), w, 0.5f * h, p.yaw);
    for (int n = 1 + random.below(3), i = 0; i <= n; i++)
        box(post, p.point(-w + 2 * w * i / n, 0.52f * h, 0), { 0.04f, 0.52f * h, 0.04f }, p.yaw);
}

void World::wire(vec3 a, vec3 b, float sag, int m)
{
    vec3 before = a;

    for (int i = 1; i <= 5; i++) {
        const float t = i / 5.0f;
        const vec3 at = mix(a, b, t) - vec3{ 0, 4 * sag * t * (1 - t), 0 };

        rod(m, before, at, 0.012f);
        before = at;
    }
}

// n things of about `size` dropped on a disc, each coming to rest on those below: material kind, or any if <
// 0.
void World::heap(vec3 centre, float radius, float size, int n, int kind)
{
    std::vector<vec3> at;
    std::vector<float> reach;
    const int shape = random.below(4);

    for (int i = 0; i < n && room_left() > 12; i++) {
        const float angle = random.uniform(0, 6.2832f),
                    out = radius * sqrtf(random.uniform()) * (1 - 0.5f * i / n);
        const float r = 0.5f * size * random.uniform(0.7f, 1.2f);
        const int m = kind >= 0 && random.chance(0.85f) ? kind : any(size);
        vec3 c = centre + vec3{ out * cosf(angle), r, out * sinf(angle) };

        for (size_t k = 0; k < at.size(); k++) {
            const float gap = hypotf(c.x - at[k].x, c.z - at[k].z), touch = 0.9f * (r + reach[k]);

            if (gap < touch)
                c.y = fmaxf(c.y, at[k].y + sqrtf(touch * touch - gap * gap));
        }
        at.push_back(c);
        reach.push_back(r);
        if (shape == 0)
            ball(m, c, r);
        else if (shape == 1)
            tumble(ellipsoid(m, c, { 1.2f * r, 0.8f * r, r }, 0));
        else if (shape == 2)
            tumble(box(m, c, { 0.9f * r, 0.6f * r, 0.75f * r }, 0));
        else if (random.chance(0.4f))
            tumble(stick(CAPSULE, m, c - vec3{ 0, 0.5f * r, 0 }, c + vec3{ 0, 0.5f * r, 0 }, 0.5f * r,
                         0.5f * r));
        else if (random.chance(0.5f))
            tumble(ring(m, c, 0.6f * r, 0.25f * r, 0));
        else
            tumble(box(m, c, { r, 0.4f * r, 0.6f * r }, 0));
    }
}

// Cloth that hangs in folds, facing z.
void World::drape(Place p, float w, float h, int m)
{
    Primitive *q = relief(m, FOLDS, p.point(0, h, 0), { w, random.uniform(0.04f, 0.12f), h },
                          random.uniform(1.5f, 5) / w, p.yaw);

    tilt(q, 1.5708f, 0);
}
