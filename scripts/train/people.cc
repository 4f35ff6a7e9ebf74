// People and animals. A person of 1.75 m is the unit: `k` scales it.
#include "world.h"

// A row of n hairs from one line to another, waving.
void World::strands(int m, vec3 from, vec3 to, float width, float thickness, int n)
{
    for (int i = 0; i < n && room_left() > 8; i++) {
        const vec3 side = { width * random.normal(), 0.3f * width * random.normal(),
                            0.6f * width * random.normal() };
        const vec3 bend = { width * random.normal(), 0, width * random.normal() };
        const vec3 a = from + side * 0.5f, b = to + side, middle = mix(a, b, 0.5f) + bend * 0.4f;

        stick(CONE, m, a, middle, thickness, thickness);
        stick(CONE, m, middle, b + bend * 0.2f, thickness, thickness * 0.3f);
    }
}

void World::head(Place p, float size, vec3 tone, bool fine)
{
    const float h = random.uniform(0.03f, 0.11f), saturation = random.uniform(0.1f, 0.7f);
    const vec3 dark =
        random.chance(0.75f) ? hsv(h, saturation, random.spread(0.02f, 0.4f)) : neutral(0.05f, 0.8f);
    Material skin = make(FACE, tone, dark, tone * vec3{ 0.85f, 0.45f, 0.45f }, 1);
    const int crown = hair(dark);
    const float full = random.uniform(1.02f, 1.25f);
    Primitive *q;

    skin.gloss = random.uniform(0.03f, 0.25f);
    skin.shininess = random.spread(5, 25);
    if (fine && random.chance(0.5f)) {
        skin.bump = random.uniform(0.02f, 0.1f);
        skin.bump_scale = random.spread(20, 80) / size * 0.1f;
    }
    q = add(fine ? HEAD : ELLIPSOID, keep(skin), p.at, vec3{ 0.8f, 1.08f, 1 } * size, p.yaw);
    q->taper = random.uniform(-1, 1);
    if (random.chance(0.9f)) {
        const float back = random.uniform(0.28f, 0.42f), up = random.uniform(0.34f, 0.46f);

        for (int i = 0; i < 3; i++) // shells: an edge of hair is not an edge of a ball
            ellipsoid(crown, p.point(0, up * size, -back * size),
                      vec3{ 0.78f, 0.78f, 0.72f } * (size * (full + 0.05f * i)), p.yaw)
                ->casts = !i;
        if (random.chance(0.4f)) {
            ellipsoid(crown, p.point(0, -0.7f * size, -0.6f * size), { size, 1.6f * size, 0.6f * size },
                      p.yaw);
            for (int side = -1; fine && side <= 1; side += 2)
                strands(crown, p.point(side * 0.75f * size, 0.4f * size, -0.1f * size),
                        p.point(side * 0.9f * size, -1.7f * size, 0.1f * size), 0.2f * size, 0.018f * size,
                        10);
        }
        if (fine && random.chance(0.5f))
            strands(crown, p.point(0, 1.1f * size, 0),
                    p.point(0.3f * size * random.normal(), 1.5f * size, -0.2f * size), 0.5f * size,
                    0.01f * size, 8);
    }
    if (random.chance(0.15f)) { // a hat
        const int m = cloth();

        pillar(m, p.point(0, 0.55f * size, -0.1f * size), 0.95f * size, 0.85f * size, 0.7f * size);
        if (random.chance(0.6f))
            pillar(m, p.point(0, 0.55f * size, 0), random.uniform(1.1f, 1.8f) * size, size, 0.06f * size);
    }
    if (random.chance(0.2f))
        ellipsoid(crown, p.point(0, -0.78f * size, 0.42f * size), { 0.5f * size, 0.4f * size, 0.42f * size },
                  p.yaw);
    if (random.chance(0.2f)) { // glasses
        const int frame = plain(neutral(0.02f, 0.2f), 0.5f),
                  lens = random.chance(0.5f) ? plain(grey(0.02f), 0.8f) : -1;

        for (int side = -1; side <= 1; side += 2) {
            const vec3 eye = p.point(side * 0.27f * size, 0.08f * size, 0.9f * size);

            tilt(ring(frame, eye, 0.2f * size, 0.02f * size, p.yaw), 1.5708f, 0);
            if (lens >= 0)
                ellipsoid(lens, eye, { 0.2f * size, 0.16f * size, 0.03f * size }, p.yaw);
            rod(frame, p.point(side * 0.46f * size, 0.1f * size, 0.88f * size),
                p.point(side * 0.75f * size, 0.1f * size, 0), 0.018f * size);
        }
        rod(frame, p.point(-0.08f * size, 0.1f * size, 0.95f * size),
            p.point(0.08f * size, 0.1f * size, 0.95f * size), 0.018f * size);
    }
}

// Palm down, fingers along z; curl 0 open .. 1 fist; side: where the thumb is.
void World::hand(Place p, float size, int m, float curl, float side)
{
    const float palm = 0.45f * size;
    const int nail = plain({ 0.7f, 0.45f, 0.4f }, 0.4f);

    ellipsoid(m, p.point(0, 0, 0.5f * palm), { 0.42f * size * 0.55f, 0.12f * size, 0.55f * palm }, p.yaw);
    for (int i = 0; i < 4; i++) {
        const float x = (i - 1.5f) * 0.115f * size, l = size * (i == 0 || i == 3 ? 0.4f : 0.5f),
                    r = 0.052f * size;
        const float bend = curl * random.uniform(0.7f, 1.2f), open = 0.12f * (i - 1.5f) * (1 - curl);
        const vec3 a = p.point(x, 0, palm);
        const vec3 b =
            a + turn_y({ open * l, -sinf(1.2f * bend) * 0.5f * l, cosf(1.2f * bend) * 0.5f * l }, p.yaw);
        const vec3 c =
            b + turn_y({ open * l, -sinf(2.4f * bend) * 0.3f * l, cosf(2.4f * bend) * 0.3f * l }, p.yaw);
        const vec3 d = c + turn_y({ 0, -sinf(3.2f * bend) * 0.2f * l, cosf(3.2f * bend) * 0.2f * l }, p.yaw);

        limb(m, a, b, r);
        limb(m, b, c, 0.92f * r);
        limb(m, c, d, 0.82f * r);
        if (room_left() > 100)
            ball(nail, d + turn_y({ 0, 0.5f * r, 0 }, p.yaw), 0.6f * r);
    }
    const vec3 root = p.point(side * 0.18f * size, 0, 0.3f * palm);
    const vec3 knuckle = p.point(side * 0.36f * size, -0.06f * size, 0.75f * palm);

    limb(m, root, knuckle, 0.07f * size);
    limb(m, knuckle, p.point(side * mix(0.4f, 0.1f, curl) * size, -0.1f * size, 1.25f * palm), 0.055f * size);
}

void World::person(Place p, float height, bool fine, bool sits)
{
    const vec3 tone = skin();
    const int flesh = skinny(tone), top = cloth(), trousers = random.chance(0.2f) ? top : cloth();
    const int shoe = plain(neutral(0.02f, 0.6f), 0.1f);
    const float k = height / 1.75f, wide = random.uniform(0.85f, 1.25f) * k;
    const float hip_height = (sits ? 0.48f : 0.92f) * k, lean = 0.12f * random.normal() + (sits ? 0.05f : 0);
    const Place hip = p.moved(0, hip_height, 0);
    const vec3 chest = hip.point(0, 0.5f * k, 0.5f * lean), neck = hip.point(0, 0.58f * k, 0.55f * lean);
    const float look = 0.4f * random.normal();
    const Place skull = { neck + turn_y({ 0, 0.15f * k, 0.02f * k }, p.yaw + look), p.yaw + look };
    const bool sleeves = random.chance(0.6f), skirt = !sits && random.chance(0.15f);

    tilt(ellipsoid(top, mix(hip.at, chest, 0.55f), { 0.19f * wide, 0.36f * k, 0.125f * wide }, p.yaw), lean,
         0);
    ellipsoid(top, mix(hip.at, chest, 0.12f), { 0.175f * wide, 0.17f * k, 0.125f * wide }, p.yaw);
    limb(top, hip.point(-0.15f * wide, 0.48f * k, 0.5f * lean),
         hip.point(0.15f * wide, 0.48f * k, 0.5f * lean), 0.075f * k);
    limb(flesh, chest - vec3{ 0, 0.03f * k, 0 }, skull.at - vec3{ 0, 0.05f * k, 0 }, 0.055f * k);
    head(skull, 0.1f * k, tone, fine);
    if (skirt)
        pillar(trousers, p.moved(0, 0.45f * k, 0).at, 0.3f * wide, 0.15f * wide, 0.5f * k);
    for (int side = -1; side <= 1; side += 2) {
        const float raise = random.chance(0.08f) ? 2.6f : random.uniform(-0.6f, 0.9f),
                    apart = random.uniform(0.05f, 0.6f);
        const float bend = raise + random.uniform(0, 1.6f), inwards = random.uniform(-1, 1.5f);
        const float stride = random.uniform(-0.35f, 0.35f), knee_bend = stride - random.uniform(0, 0.4f);
        const vec3 shoulder = hip.point(side * 0.2f * wide, 0.47f * k, 0.5f * lean);
        const vec3 elbow =
            shoulder + turn_y({ side * 0.28f * k * sinf(apart), -0.28f * k * cosf(raise) * cosf(apart),
                                0.28f * k * sinf(raise) },
                              p.yaw);
        const vec3 wrist =
            elbow +
            turn_y({ -side * 0.06f * k * inwards, -0.25f * k * cosf(bend), 0.25f * k * sinf(bend) }, p.yaw);
        const vec3 groin = hip.point(side * 0.095f * wide, 0, 0);
        const vec3 knee =
            sits ? hip.point(side * 0.13f * wide, 0.02f * k, 0.43f * k)
                 : groin + turn_y({ side * 0.02f * k, -0.43f * k * cosf(stride), 0.43f * k * sinf(stride) },
                                  p.yaw);
        const vec3 foot =
            sits ? knee - vec3{ 0, 0.43f * k, 0 }
                 : knee + turn_y({ 0, -0.43f * k * cosf(knee_bend), 0.43f * k * sinf(knee_bend) }, p.yaw);

        limb(top, shoulder, elbow, 0.05f * k);
        limb(sleeves ? top : flesh, elbow, wrist, 0.037f * k);
        if (fine && room_left() > 60)
            hand({ wrist, p.yaw }, 0.19f * k, flesh, random.uniform(0.1f, 0.9f), (float)side);
        else
            ellipsoid(flesh, wrist + unit(wrist - elbow) * (0.06f * k), vec3{ 0.04f, 0.055f, 0.04f } * k,
                      p.yaw);
        limb(trousers, groin, knee, 0.083f * wide);
        limb(skirt ? flesh : trousers, knee, foot, 0.055f * k);
        ellipsoid(shoe, foot + turn_y({ 0, -0.03f * k, 0.06f * k }, p.yaw), vec3{ 0.05f, 0.045f, 0.13f } * k,
                  p.yaw);
    }
}

// An animal's head, looking along z.
void World::muzzle(Place p, float size, int coat, int coat2)
{
    const int dark = plain(grey(0.02f), 0.5f);
    const float snout = random.uniform(0.5f, 1), ears = random.uniform(0.3f, 0.7f),
                pointed = random.uniform(0.1f, 0.5f);

    ellipsoid(coat, p.at, vec3{ 0.9f, 0.9f, 1.15f } * size, p.yaw);
    ellipsoid(coat2, p.point(0, -0.25f * size, (0.6f + 0.5f * snout) * size),
              vec3{ 0.45f, 0.4f, 0.7f * snout } * size, p.yaw);
    ellipsoid(dark, p.point(0, -0.15f * size, (0.7f + 1.1f * snout) * size),
              vec3{ 0.16f, 0.13f, 0.12f } * size, p.yaw);
    for (int side = -1; side <= 1; side += 2) {
        tilt(ellipsoid(coat, p.point(side * 0.62f * size, 0.8f * size, -0.1f * size),
                       vec3{ 0.28f, ears, 0.14f } * size, p.yaw),
             0, -side * pointed);
        ellipsoid(dark, p.point(side * 0.4f * size, 0.25f * size, 0.95f * size),
                  vec3{ 0.14f, 0.14f, 0.1f } * size, p.yaw);
        ball(plain(grey(0.9f), 0), p.point(side * 0.37f * size, 0.31f * size, 1.04f * size), 0.03f * size);
        if (random.chance(0.5f))
            strands(dark, p.point(side * 0.3f * size, -0.2f * size, (0.6f + 0.8f * snout) * size),
                    p.point(side * 1.3f * size, -0.2f * size, (0.7f + 0.5f * snout) * size), 0.15f * size,
                    0.008f * size, 4);
    }
}

void World::animal(Place p, float length)
{
    const int coat = fur(), coat2 = random.chance(0.6f) ? coat : fur();
    const float legs = length * random.uniform(0.35f, 0.75f), fat = random.uniform(0.7f, 1.3f);
    const float back = legs + 0.16f * length * fat, l = length, raised = random.uniform(-0.1f, 0.4f);
    const vec3 neck = p.point(0, back + 0.08f * l, 0.4f * l);
    const Place skull =
        p.moved(0.1f * l * random.normal(), back + (0.1f + raised) * l, 0.62f * l, 0.5f * random.normal());

    ellipsoid(coat, p.point(0, back, 0), { 0.19f * l * fat, 0.2f * l * fat, 0.5f * l }, p.yaw);
    ellipsoid(coat, p.point(0, back + 0.02f * l, 0.27f * l), { 0.17f * l * fat, 0.21f * l * fat, 0.22f * l },
              p.yaw);
    ellipsoid(coat, p.point(0, back, -0.27f * l), { 0.18f * l * fat, 0.2f * l * fat, 0.22f * l }, p.yaw);
    limb(coat, neck, skull.at, 0.095f * l * fat);
    muzzle(skull, random.uniform(0.1f, 0.17f) * l, coat, coat2);
    for (int side = -1; side <= 1; side += 2) {
        for (int end = -1; end <= 1; end += 2) {
            const float stride = 0.7f * legs * random.uniform(-0.4f, 0.4f);
            const vec3 a = p.point(side * 0.11f * l * fat, back - 0.05f * l, end * 0.32f * l);
            const vec3 b = p.point(side * 0.11f * l * fat, 0.04f * l, end * 0.32f * l + stride);
            const vec3 knee = mix(a, b, 0.5f) + turn_y({ 0, 0, 0.05f * l * random.normal() }, p.yaw);

            limb(coat, a, knee, 0.07f * l * fat);
            limb(coat2, knee, b, 0.048f * l);
        }
    }
    if (random.chance(0.8f)) {
        const vec3 root = p.point(0, back + 0.08f * l, -0.46f * l);
        const float swing = 0.1f * l * random.normal(), up = random.uniform(-0.3f, 0.35f) * l;

        limb(coat, root, root + turn_y({ swing, up, -random.uniform(0.1f, 0.35f) * l }, p.yaw), 0.033f * l);
    }
}
