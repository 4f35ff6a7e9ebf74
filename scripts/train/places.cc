// Cameras, light, and the wide places: rooms, streets, nature.
#include "world.h"

#include "trace.h"

void World::aim(float height, float fov, float pitch, float roll)
{
    const vec3 forward = { 0, sinf(pitch), cosf(pitch) }, right = { 1, 0, 0 };
    Camera &c = s.camera;

    c.position = { 0, height, 0 };
    c.tan_x = tanf(0.5f * fov);
    c.tan_y = c.tan_x / aspect;
    c.forward = forward;
    c.right = turn(right, forward, roll);
    c.up = turn(cross(forward, right), forward, roll);
}

// As people hold cameras: nearly level, now and then down or up.
void World::aim_usual(float height)
{
    // The field of view belongs to the longer side, so that portrait pictures are not all tele.
    const float wide = random.spread(0.55f, 1.5f),
                fov = aspect < 1 ? 2 * atanf(tanf(0.5f * wide) * fmaxf(aspect, 0.5f)) : wide;
    const float pitch = height > 2.4f         ? random.uniform(-0.6f, 0)
                        : random.chance(0.7f) ? 0.09f * random.normal() - 0.03f
                                              : random.uniform(-0.7f, 0.35f);

    aim(height, fov, pitch, random.chance(0.8f) ? 0.03f * random.normal() : 0.22f * random.normal());
}

vec3 World::spot(float near, float far)
{
    const float z = random.spread(near, far), x = z * s.camera.tan_x * random.uniform(-1.05f, 1.05f);
    float y = 0;

    if (terrain)
        y = terrain->centre.y + relief_height(*terrain, s.material[terrain->material].seed,
                                              x - terrain->centre.x, z - terrain->centre.z);
    return { x + s.camera.position.x, y, z + s.camera.position.z };
}

// At a depth, across and up in half pictures.
vec3 World::in_view(float distance, float across, float up)
{
    const Camera &c = s.camera;

    return c.position + c.forward * distance + c.right * (distance * c.tan_x * across) +
           c.up * (distance * c.tan_y * up);
}

void World::backdrop(float distance)
{
    const int m = random.chance(0.6f) ? walls() : any(0.3f * distance);
    Primitive *p =
        card(m, { 0, s.camera.position.y, distance }, 5 * distance, 5 * distance, 0.3f * random.normal());

    tilt(p, 0.1f * random.normal(), 0);
    p->casts = 0;
}

void World::day(bool night)
{
    const float bright = random.uniform(0.5f, 1.4f) * (night ? 0.06f : 1), q = random.uniform();
    const float height = random.uniform(0.12f, 1.4f), around = random.uniform(-3.14f, 3.14f);
    const bool overcast = random.chance(0.35f);

    if (q < 0.45f) {
        const float h = random.uniform(0.55f, 0.64f), saturation = random.uniform(0.3f, 0.75f);

        s.sky_high = hsv(h, saturation, bright * random.uniform(0.5f, 0.9f));
        s.sky_low = mix(s.sky_high, grey(bright), random.uniform(0.3f, 0.8f));
    } else if (q < 0.8f) {
        s.sky_high = neutral(0.4f, 1) * bright;
        s.sky_low = s.sky_high * random.uniform(0.85f, 1.35f);
    } else {
        const float h = random.uniform(0.5f, 0.75f), low = random.uniform(-0.02f, 0.14f);
        const float saturation = random.uniform(0.1f, 0.7f);

        s.sky_high = hsv(h, saturation, 0.6f * bright);
        s.sky_low = hsv(low, saturation, bright);
    }
    s.cloud_cover = random.chance(0.65f) ? random.uniform(0.3f, 0.8f) : 0;
    s.cloud_scale = random.spread(0.4f, 3);
    s.cloud_depth = random.uniform(0.2f, 1.1f);
    s.sun_glow = random.chance(0.4f) ? random.uniform(0.2f, 1) : 0;
    s.stars = night && random.chance(0.4f) ? random.uniform(0.05f, 0.5f) : 0;

    const vec3 sun = mix(vec3{ 1, 0.95f, 0.88f }, vec3{ 1, 0.7f, 0.4f },
                         random.uniform() * smoothstep(0.6f, 0.1f, height));
    const vec3 all = mix(s.sky_high, grey(0.577f * length(s.sky_high)), 0.5f);
    const float strength = overcast ? random.uniform(0.05f, 0.4f) : random.uniform(0.8f, 2.2f);

    s.key_is_lamp = 0;
    s.key_direction = unit({ sinf(around) * cosf(height), sinf(height), cosf(around) * cosf(height) });
    s.sun_colour = sun * (night ? 0.3f : 1);
    s.key_colour = sun * (strength * (night ? 0.1f : 1));
    s.key_softness = overcast ? random.uniform(0.3f, 0.9f) : random.uniform(0.01f, 0.15f);
    s.ambient_up = all * (random.uniform(0.5f, 1) * (overcast ? 1.4f : 1));
    s.ambient_down = all * (random.uniform(0.1f, 0.45f) * (overcast ? 1.6f : 1));
    s.lamps = 0;
    if (night) {
        for (int n = 1 + random.below(MAX_LAMPS); s.lamps < n; s.lamps++) {
            const vec3 at = spot(2, 20) + vec3{ 0, random.uniform(1.5f, 5), 0 };
            const float h = random.chance(0.7f) ? random.uniform(0.02f, 0.15f) : random.uniform();
            Material glow = make(PLAIN, hsv(h, 0.3f, 1), grey(1), grey(1), 1);

            s.lamp[s.lamps] = { at, hsv(h, random.uniform(0, 0.6f), 1) * random.uniform(0.5f, 2.5f) };
            glow.emission = 4;
            if (random.chance(0.7f)) { // a street lamp
                ball(keep(glow), at + vec3{ 0, 0.2f, 0 }, random.uniform(0.05f, 0.15f))->casts = 0;
                pillar(plain(grey(0.05f), 0.1f), { at.x, 0, at.z }, 0.05f, 0.04f, at.y + 0.15f);
            }
        }
    }
    s.fog_colour = s.sky_low;
    s.fog = random.chance(0.08f)   ? random.spread(0.01f, 0.08f)
            : random.chance(0.65f) ? random.spread(0.0005f, 0.012f)
                                   : 0;
}

void World::indoor_light()
{
    const vec3 warm = { 1, 0.85f, 0.65f }, cool = { 0.85f, 0.93f, 1 },
               tint = mix(warm, cool, random.uniform());
    const float power = random.uniform(0.5f, 1.6f), around = random.uniform(0.08f, 0.5f);

    const auto in_it = [&](float low, float high) {
        const float x = random.uniform(-0.7f, 0.7f), y = random.uniform(low, high),
                    z = random.uniform(-0.7f, 0.7f);
        return s.room + s.room_half * vec3{ x, y, z };
    };
    s.key_is_lamp = random.chance(0.7f);
    s.sky_low = s.sky_high = grey(random.uniform(0.4f, 1.5f));
    s.cloud_cover = s.sun_glow = s.stars = 0;
    s.sun_colour = grey(1);
    s.fog = random.chance(0.06f) ? random.spread(0.01f, 0.08f) : 0;
    s.fog_colour = grey(random.uniform(0.2f, 0.7f));
    s.key_position = in_it(0.3f, 0.9f);
    s.key_direction = unit({ random.normal(), random.uniform(0.5f, 1.5f), random.normal() });
    s.key_colour = tint * (s.key_is_lamp ? power : 0.5f * power);
    s.key_softness = random.uniform(0.05f, 0.7f);
    while (s.lamps < MAX_LAMPS - 1 && random.chance(0.4f)) {
        const vec3 at = in_it(-0.2f, 0.9f);
        const vec3 c = mix(vec3{ 1, 0.8f, 0.55f }, vec3{ 0.8f, 0.9f, 1 }, random.uniform());

        s.lamp[s.lamps++] = { at, c * random.uniform(0.1f, 0.8f) };
    }
    s.ambient_up = tint * (around * random.uniform(0.5f, 1));
    s.ambient_down = tint * (around * random.uniform(0.3f, 1));
}

Place World::in_room(float x, float z, float yaw)
{
    const vec3 floor = { s.room.x, 0, s.room.z };

    return { floor + turn_y({ x, 0, z }, s.room_yaw), s.room_yaw + yaw };
}

// Walls 0 -x, 1 +x, 2 -z, 3 +z: a place on one that looks into the room.
static const float wall_yaw[4] = { 1.5708f, -1.5708f, 0, 3.1416f };

void World::on_wall(int wall, float height)
{
    const float along = (wall < 2 ? s.room_half.z : s.room_half.x) * random.uniform(-0.85f, 0.85f);
    const float out = (wall < 2 ? s.room_half.x : s.room_half.z) - 0.015f, side = wall % 2 ? 1.0f : -1.0f;
    const Place p =
        wall < 2 ? in_room(side * out, along, wall_yaw[wall]) : in_room(along, side * out, wall_yaw[wall]);
    const float w = random.uniform(0.2f, 0.9f), h = random.uniform(0.2f, 0.7f),
                y = random.uniform(1.1f, 1.9f);
    Material m;

    switch (random.below(8)) {
    case 0:
    case 1: // a picture
        box(plain(colour(), 0.1f), p.point(0, y, 0), { w * 1.08f, h * 1.08f, 0.012f }, p.yaw);
        card(picture(0), p.point(0, y, 0.014f), w, h, p.yaw);
        break;
    case 2: // a window
        m = make(PICTURE, vec3{ 0.8f, 0.9f, 1 } * random.uniform(0.6f, 1), { 0.5f, 0.6f, 0.5f },
                 { 0.3f, 0.5f, 0.2f }, 1);
        m.emission = random.uniform(0.3f, 2.5f);
        card(keep(m), p.point(0, 1.5f, 0), w + 0.2f, h + 0.2f, p.yaw);
        box(plain(neutral(0.3f, 0.9f), 0.05f), p.point(0, 1.5f, 0.01f), { 0.02f, h + 0.2f, 0.02f }, p.yaw);
        box(plain(neutral(0.3f, 0.9f), 0.05f), p.point(0, 1.3f - h, 0.03f), { w + 0.25f, 0.02f, 0.06f },
            p.yaw);
        if (random.chance(0.5f))
            drape(p.moved(random.sign() * (w + 0.3f), 1.3f, 0.08f), 0.3f, 1.1f, cloth());
        break;
    case 3: // a door
        box(random.chance(0.5f) ? wood() : plain(neutral(0.3f, 0.9f), 0.05f), p.point(0, 1.02f, 0),
            { 0.45f, 1.02f, 0.03f }, p.yaw);
        ball(metal(), p.point(0.36f, 1, 0.06f), 0.03f);
        break;
    case 4:
        screen(p.moved(0, random.uniform(0.9f, 1.6f), 0.05f), random.uniform(0.4f, 0.9f),
               random.uniform(0.25f, 0.5f));
        break;
    case 5: // a mirror
        card(mirror(), p.point(0, y, 0.01f), w, h + 0.2f, p.yaw);
        break;
    case 6:
        if (random.chance(0.5f)) {
            box(wood(), p.point(0, y, 0.12f), { w, 0.015f, 0.12f }, p.yaw);
            for (int i = random.below(5); i > 0; i--)
                thing(p.point(w * random.uniform(-0.9f, 0.9f), y + 0.015f, 0.12f),
                      random.uniform(0.12f, 0.3f), p.yaw);
        }
        break;
    default:
        drape(p.moved(0, 0.5f * height, 0.08f), w, 0.45f * height, cloth());
    }
}

void World::along_wall()
{
    const int wall = random.below(4), m = random.chance(0.5f) ? wood() : any(0.6f);
    const float deep = random.uniform(0.25f, 0.55f), side = wall % 2 ? 1.0f : -1.0f;
    const float along = (wall < 2 ? s.room_half.z : s.room_half.x) * random.uniform(-0.85f, 0.85f);
    const float out = fmaxf((wall < 2 ? s.room_half.x : s.room_half.z) - deep, 0.2f);
    const Place p =
        wall < 2 ? in_room(side * out, along, wall_yaw[wall]) : in_room(along, side * out, wall_yaw[wall]);

    if (length(p.at - s.camera.position) < 1.2f)
        return;
    switch (random.below(5)) {
    case 0:
        shelf(p, random.uniform(0.35f, 1), random.uniform(0.7f, 2.2f), random.uniform(0.12f, 0.25f), m);
        break;
    case 1:
        sofa(p, random.uniform(0.5f, 1.1f), cloth());
        break;
    case 2:
        bed(p, m);
        break;
    case 3: { // a chest of drawers
        const float w = random.uniform(0.25f, 0.7f), h = random.uniform(0.25f, 1.05f);

        box(m, p.point(0, h, 0), { w, h, 0.28f }, p.yaw);
        for (int n = random.below(4), i = 0; i < n; i++)
            box(random.chance(0.7f) ? m : any(0.5f), p.point(-w + (2 * i + 1) * w / n, h, 0.28f),
                { 0.85f * w / n, 0.85f * h, 0.012f }, p.yaw);
        for (int i = random.below(4); i > 0 && h < 0.8f; i--)
            thing(p.point(w * random.uniform(-0.8f, 0.8f), 2 * h, 0.2f * random.normal()),
                  random.spread(0.1f, 0.45f), random.uniform(0, 6));
        break;
    }
    default:
        table(p, random.uniform(0.4f, 0.8f), random.uniform(0.25f, 0.4f), random.uniform(0.6f, 0.8f), m, m);
        screen(p.moved(0, 1, -0.1f), 0.3f, 0.18f);
    }
}

// Skirting boards, a cornice, lamps in the ceiling.
void World::trim(float height)
{
    const int paint = random.chance(0.7f) ? plain(neutral(0.5f, 0.95f), 0.1f) : wood();
    const float tall = random.uniform(0.03f, 0.09f), thick = random.uniform(0.006f, 0.02f);
    const bool cornice = random.chance(0.3f);

    for (int wall = 0; wall < 4 && !s.open; wall++) {
        const bool aside = wall < 2;
        const float out = ((wall % 2) ? 1.0f : -1.0f) * (aside ? s.room_half.x : s.room_half.z);
        const Place p = in_room(aside ? out : 0, aside ? 0 : out, 0);
        const vec3 half = { aside ? thick : s.room_half.x, tall, aside ? s.room_half.z : thick };

        box(paint, p.at + vec3{ 0, tall, 0 }, half, p.yaw);
        if (cornice)
            box(paint, p.at + vec3{ 0, height - 0.5f * tall, 0 }, half, p.yaw);
    }
    Material glow = make(PLAIN, grey(1), grey(1), grey(1), 1);
    glow.emission = 3;
    const int bulb = keep(glow);
    for (int i = random.chance(0.4f) ? 1 + random.below(3) : 0; i > 0 && s.lamps < MAX_LAMPS / 2; i--) {
        const Place p = in_room(s.room_half.x * random.uniform(-0.9f, 0.9f),
                                s.room_half.z * random.uniform(-0.9f, 0.9f), 0);

        pillar(bulb, p.at + vec3{ 0, height - 0.01f, 0 }, 0.05f, 0.05f, 0.01f)->casts = 0;
        s.lamp[s.lamps++] = { p.at + vec3{ 0, height - 0.12f, 0 },
                              vec3{ 1, 0.92f, 0.8f } * random.uniform(0.1f, 0.5f) };
    }
}

void World::room(bool furnished)
{
    const float depth = random.spread(2.2f, 9), wide = random.spread(1.6f, 5),
                height = random.uniform(2.2f, 3.4f);
    const float back = random.uniform(0.3f, 1.2f);

    s.has_room = 1;
    s.room_yaw = random.chance(0.5f) ? 0.12f * random.normal() : random.uniform(-0.8f, 0.8f);
    s.room = turn_y({ random.uniform(-0.5f, 0.5f) * wide, 0, 0.5f * depth - back }, s.room_yaw) +
             vec3{ 0, 0.5f * height, 0 };
    s.room_half = { wide, 0.5f * height, 0.5f * depth + 0.2f };
    if (random.chance(0.4f)) { // anywhere in it, looking anywhere
        const float x = random.uniform(-1, 1) * fmaxf(wide - 0.5f, 0.3f),
                    z = random.uniform(-1, 1) * fmaxf(0.5f * depth - 0.5f, 0.3f);

        s.room_yaw = random.uniform(-3.14f, 3.14f);
        s.room = vec3{ 0, 0.5f * height, 0 } - turn_y({ x, 0, z }, s.room_yaw);
    }
    for (int i = 0, m = walls(); i < 6; i++)
        s.wall[i] = i == 2                 ? floors()
                    : i == 3               ? plain(neutral(0.5f, 0.95f), 0)
                    : random.chance(0.75f) ? m
                                           : walls();
    s.open = random.chance(0.12f) ? 1 << random.below(6) & ~(1 << 2) : 0;
    if (s.open) {
        s.has_ground = 1;
        s.ground = ground(random.below(GROUNDS));
    }
    typical = 2.5f;
    if (random.chance(0.6f))
        trim(height);
    for (int i = 1 + random.below(8); i > 0; i--)
        on_wall(random.chance(0.5f) ? 3 : random.below(4), height);
    if (!furnished)
        return;
    for (int i = 1 + random.below(7); i > 0 && room_left() > 80; i--)
        along_wall();
    if (random.chance(0.3f)) { // a carpet
        const Place p = in_room(0.3f * wide * random.normal(), 0.2f * depth * random.normal(), 0);

        box(cloth(), p.point(0, 0.005f, 0),
            { wide * random.uniform(0.2f, 0.6f), 0.008f, depth * random.uniform(0.1f, 0.3f) }, p.yaw);
    }
    for (int i = 1 + random.below(8); i > 0 && room_left() > 60; i--) {
        const int m = random.chance(0.5f) ? wood() : any(0.6f), legs = random.chance(0.5f) ? m : metal();
        const Place p = { spot(1.3f, fmaxf(depth - back, 1.6f)), random.uniform(0, 6.2832f) };

        switch (random.below(6)) {
        case 0:
        case 1: {
            const float w = random.uniform(0.35f, 0.9f), d = random.uniform(0.3f, 0.6f),
                        h = random.uniform(0.4f, 0.8f);

            table(p, w, d, h, m, legs);
            for (int k = random.below(5); k > 0; k--)
                thing(p.point(w * random.uniform(-0.8f, 0.8f), h, d * random.uniform(-0.8f, 0.8f)),
                      random.spread(0.08f, 0.4f), random.uniform(0, 6));
            break;
        }
        case 2:
            chair(p, m, legs);
            break;
        case 3:
            sofa(p, random.uniform(0.4f, 0.9f), cloth());
            break;
        case 4:
            thing(p.at, random.spread(0.3f, 1), p.yaw);
            break;
        default:
            moves({ vec3{ random.normal(), 0, random.normal() } * 0.25f });
            person(p, random.uniform(1.2f, 1.9f), false, random.chance(0.3f));
            rests();
        }
    }
    if (random.chance(0.3f)) { // something hangs from the ceiling
        const vec3 p = spot(1.5f, 4);

        rod(plain(grey(0.05f), 0), { p.x, height, p.z }, { p.x, height - 0.5f, p.z }, 0.01f);
        pillar(any(0.4f), { p.x, height - 0.7f, p.z }, 0.25f, 0.1f, 0.2f);
    }
}

// A corridor, an arcade or a hall with pillars.
void World::hall()
{
    const float wide = random.spread(0.8f, 6), height = random.uniform(2.2f, 6), l = random.spread(8, 50);
    const int pillars = any(1);

    room(false);
    s.room_yaw = 0.12f * random.normal();
    s.room =
        turn_y({ random.uniform(-0.6f, 0.6f) * wide, 0, l - 1 }, s.room_yaw) + vec3{ 0, 0.5f * height, 0 };
    s.room_half = { wide, 0.5f * height, l };
    s.open &= ~1 & ~2;
    typical = 4;
    for (int i = 0; i < 8 && random.chance(0.9f); i++) {
        const Place p = in_room(0, 1.5f + (i - 4) * fmaxf(l / 4, 2), 0);

        for (int side = -1; side <= 1; side += 2) {
            if (wide > 2)
                pillar(pillars, p.point(side * 0.75f * wide, 0, 0), 0.2f, 0.2f, height);
            else if (random.chance(0.6f))
                box(wood(), p.point(side * wide, 1, 0), { 0.04f, 1, 0.45f }, p.yaw);
        }
    }
    for (int i = random.below(5); i > 0 && room_left() > 40; i--) {
        moves({ vec3{ 0.3f * random.normal(), 0, random.normal() } });
        person({ spot(2, 15), random.uniform(0, 6) }, random.uniform(1.5f, 1.9f), false, false);
        rests();
    }
}

void World::street()
{
    const float yaw = 0.25f * random.normal(), half = random.chance(0.15f) ? 0 : random.uniform(2.5f, 8);
    const float aside = random.chance(0.5f) ? random.uniform(-0.8f, 0.8f) * half : 0;
    const float low = random.uniform(3, 12), high = low * random.uniform(1, 4);
    const auto by_road = [&](float x, float z) { return turn_y({ x, 0, z }, yaw); };
    const int bark = wood(), leaves = foliage(true, 1.3f);

    s.has_ground = 1;
    s.ground = ground(random.chance(0.7f) ? (int)PAVING : random.below(5));
    s.road = ground(ROADWAY);
    s.road_half = half;
    s.road_yaw = yaw;
    s.camera.position = by_road(aside, 0) + vec3{ 0, s.camera.position.y, 0 };
    typical = 7;
    for (int side = -1; side <= 1; side += 2) {
        const float edge = half + random.uniform(1, 7);

        if (random.chance(0.18f)) {
            float z = random.uniform(3, 8);

            for (int i = 0; i < 5 && room_left() > 120; i++, z += random.uniform(3, 14))
                tree(by_road(side * (edge + random.uniform(-0.5f, 3)), z), random.uniform(3, 11), bark,
                     leaves);
            continue;
        }
        float z = random.uniform(-8, 4);
        for (int i = 0; i < 7 && room_left() > 120; i++) {
            const float w = random.uniform(2.5f, 9), d = random.uniform(3, 7);

            building({ by_road(side * (edge + d + random.uniform(0, 1.5f)), z + w), yaw + 1.5708f }, w,
                     random.uniform(low, high), d);
            z += 2 * w + (random.chance(0.3f) ? random.uniform(1, 9) : random.uniform(0, 0.3f));
        }
    }
    for (int i = random.below(3); i > 0; i--)
        building({ { random.uniform(-15, 15), 0, random.uniform(35, 110) }, 0.2f * random.normal() },
                 random.uniform(6, 18), random.uniform(low, 1.5f * high), 6);
    for (int i = random.below(6); i > 0 && room_left() > 60; i--) {
        const vec3 at = by_road(random.sign() * half * random.uniform(0.15f, 0.8f), random.spread(4, 45));
        const float speed = random.chance(0.4f) ? 8 * random.normal() : 0;

        if (length(at - s.camera.position) < 4)
            continue;
        moves({ by_road(0, speed) });
        if (random.chance(0.8f))
            car({ at, yaw + (random.chance(0.5f) ? 0 : 3.14f) + 0.05f * random.normal() },
                random.uniform(0.9f, 1.25f));
        else
            cycle({ at, yaw + 0.3f * random.normal() }, 1);
        rests();
    }
    for (int i = random.below(8); i > 0 && room_left() > 40; i--) {
        moves({ vec3{ random.normal(), 0, random.normal() } });
        person({ spot(2.5f, 25), random.uniform(0, 6.28f) }, random.uniform(1.5f, 1.9f), false, false);
        rests();
    }
    for (int i = random.below(5); i > 0; i--)
        pole(by_road(random.sign() * (half + random.uniform(0.3f, 1.2f)), random.spread(3, 40)),
             random.uniform(2.2f, 8));
    for (int i = random.below(5); i > 0; i--)
        thing(by_road(random.sign() * (half + random.uniform(0.3f, 1.5f)), random.spread(2, 25)),
              random.spread(0.3f, 1.5f), random.uniform(0, 6));
    for (int i = random.below(4); i > 0 && room_left() > 60; i--)
        tree(by_road(random.sign() * (half + random.uniform(0.6f, 2)), random.spread(4, 40)),
             random.uniform(3, 9), bark, leaves);
    if (random.chance(0.12f))
        truss(spot(8, 40) + vec3{ 0, random.uniform(1, 7), 0 }, random.spread(1.5f, 8));
    if (random.chance(0.2f)) {
        const int m = plain(grey(0.02f), 0);

        for (int i = 0; i < 3; i++) {
            const float z = random.uniform(5, 30), y = random.uniform(4, 9);

            wire({ -20, y, z }, { 20, y + random.normal(), z + 8 * random.normal() }, random.uniform(0, 1),
                 m);
        }
    }
    if (random.chance(0.1f))
        stairs({ spot(5, 15), random.uniform(0, 6) }, random.uniform(1, 3));
    if (random.chance(0.2f))
        fence({ by_road(random.sign() * (half + 0.5f), random.uniform(4, 15)), yaw + 1.5708f },
              random.uniform(3, 10), random.uniform(0.8f, 2));
}

void World::plaza()
{
    const int kind = random.below(GROUNDS);

    s.has_ground = 1;
    s.ground = random.chance(0.3f) ? any(2) : ground(kind);
    typical = 6;
    if (random.chance(0.3f))
        hills();
    for (int i = 3 + random.below(16); i > 0 && room_left() > 70; i--) {
        const Place p = { spot(1.8f, 35), random.uniform(0, 6.28f) };

        moves({ vec3{ random.normal(), 0, random.normal() } * (random.chance(0.4f) ? 0.8f : 0) });
        switch (random.below(12)) {
        case 0:
        case 1:
            person(p, random.uniform(1.2f, 1.9f), false, random.chance(0.1f));
            break;
        case 2:
            car(p, 1);
            break;
        case 3:
            animal(p, random.spread(0.4f, 2));
            break;
        case 4:
            rests();
            pole(p.at, random.uniform(1, 6));
            break;
        case 5:
            rests();
            tree(p.at, random.uniform(2, 8), wood(), foliage(true, 1));
            break;
        case 6:
            rests();
            building({ p.at + vec3{ 0, 0, 8 }, p.yaw }, random.uniform(2, 6), random.uniform(2, 12),
                     random.uniform(2, 6));
            break;
        case 7:
            truss(p.at + vec3{ 0, random.uniform(0.5f, 4), 0 }, random.spread(0.7f, 5));
            break;
        case 8:
            rests();
            stairs(p, random.uniform(0.8f, 2.5f));
            break;
        case 9:
            cycle(p, 1);
            break;
        default:
            rests();
            thing(p.at, random.spread(0.3f, 2), p.yaw);
        }
        rests();
    }
}
