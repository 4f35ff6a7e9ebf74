// Builds scenes from random numbers: materials, shapes, things made of shapes, and places full of things.
#pragma once

#include "scene.h"

#include <vector>

struct Place { // somewhere to put a thing: x to its right, y up, z where it looks
    vec3 at;
    float yaw;

    vec3 point(float x, float y, float z) const
    {
        return at + turn_y({ x, y, z }, yaw);
    }
    Place moved(float x, float y, float z, float turned = 0) const
    {
        return { point(x, y, z), yaw + turned };
    }
};

vec3 hsv(float hue, float saturation, float value);

enum Ground { LAWN, EARTH, ROADWAY, PAVING, SNOW, WATER, GROUNDS };

struct Mover { // how a thing moves while time runs; seconds
    vec3 velocity = {}, sway = {}, pivot = {};
    float sway_rate = 0, turn_rate = 0;
};

class World
{
  public:
    World(Scene &scene, uint64_t seed, float aspect, int family);
    void at_time(float seconds); // moves everything there and builds the tree; once

    struct Family {
        const char *name;
        float share;
        void (World::*build)();
    };
    static const Family families[];

  private:
    Scene &s;
    Random random;
    const float aspect;
    float hue;                          // what this scene's colours tend to
    float typical = 3;                  // distance of what matters, metres
    const Primitive *terrain = nullptr; // hills, where the ground is not flat
    std::vector<Mover> movers;
    int mover[MAX_PRIMITIVES];
    int current = 0; // the mover of what is added
    Primitive spare; // what is drawn when the scene is full
    vec3 camera_velocity = {};
    float yaw_rate = 0, pitch_rate = 0, roll_rate = 0;

    int room_left() const
    {
        return MAX_PRIMITIVES - s.primitives;
    }
    void moves(Mover m);
    void rests()
    {
        current = 0;
    }

    // materials.cc
    vec3 colour();
    vec3 neutral(float low, float high);
    vec3 skin();
    int keep(const Material &m);
    Material make(int pattern, vec3 a, vec3 b, vec3 c, float scale);
    Material &of(int material)
    {
        return s.material[material];
    }
    int any(float size);
    int plain(vec3 c, float gloss);
    int wood();
    int metal();
    int cloth();
    int foliage(bool loose, float size);
    int plaster();
    int walls();
    int floors();
    int ground(int kind);
    int fur();
    int hair(vec3 c);
    int leaf();
    int glass();
    int mirror();
    int picture(float emission);
    int skinny(vec3 c);
    int stone();

    // shapes (materials.cc)
    Primitive *add(int shape, int material, vec3 centre, vec3 half, float yaw);
    Primitive *ellipsoid(int m, vec3 c, vec3 half, float yaw)
    {
        return add(ELLIPSOID, m, c, half, yaw);
    }
    Primitive *ball(int m, vec3 c, float r)
    {
        return add(ELLIPSOID, m, c, { r, r, r }, 0);
    }
    Primitive *box(int m, vec3 c, vec3 half, float yaw)
    {
        return add(BOX, m, c, half, yaw);
    }
    Primitive *card(int m, vec3 c, float w, float h, float yaw)
    {
        return add(CARD, m, c, { w, h, 0 }, yaw);
    }
    Primitive *stick(int shape, int m, vec3 a, vec3 b, float ra, float rb); // CONE or CAPSULE from a to b
    Primitive *limb(int m, vec3 a, vec3 b, float r)
    {
        return stick(CAPSULE, m, a, b, r, r);
    }
    Primitive *rod(int m, vec3 a, vec3 b, float r)
    {
        return stick(CONE, m, a, b, r, r);
    }
    Primitive *pillar(int m, vec3 foot, float r, float top, float h);
    Primitive *ring(int m, vec3 c, float r, float tube, float yaw);
    Primitive *relief(int m, int kind, vec3 c, vec3 half, float grain, float yaw);
    void tilt(Primitive *p, float pitch, float roll);
    void tumble(Primitive *p);

    // people.cc
    void head(Place p, float size, vec3 tone, bool fine);
    void strands(int m, vec3 from, vec3 to, float width, float thickness, int n);
    void hand(Place p, float size, int m, float curl, float side);
    void person(Place p, float height, bool fine, bool sits);
    void animal(Place p, float length);
    void muzzle(Place p, float size, int coat, int coat2);

    // things.cc
    void thing(vec3 foot, float size, float yaw);
    void bottle(vec3 foot, float size, int m);
    void mug(Place p, float size, int m);
    void books(vec3 foot, float size, float yaw);
    void plant(vec3 foot, float size);
    void lamp(vec3 foot, float size);
    void table(Place p, float w, float d, float h, int m, int legs);
    void chair(Place p, int m, int legs);
    void sofa(Place p, float w, int m);
    void bed(Place p, int m);
    void shelf(Place p, float w, float h, float d, int m);
    void screen(Place p, float w, float h);
    void tree(vec3 foot, float height, int bark, int leaves);
    void conifer(vec3 foot, float height, int bark, int leaves);
    void branch(vec3 from, vec3 along, float length, float radius, int bark, int leaves, int depth);
    void car(Place p, float size);
    void cycle(Place p, float size);
    void building(Place p, float w, float h, float d);
    void pole(vec3 foot, float height);
    void truss(vec3 centre, float reach);
    void stairs(Place p, float w);
    void fence(Place p, float w, float h);
    void wire(vec3 a, vec3 b, float sag, int m);
    void heap(vec3 centre, float radius, float size, int n, int kind);
    void drape(Place p, float w, float h, int m);

    // places.cc, nature.cc, close.cc, special.cc
    void aim(float height, float fov, float pitch, float roll);
    void aim_usual(float height);
    vec3 spot(float near, float far); // on the ground, in view
    vec3 in_view(float distance, float across, float up);
    void backdrop(float distance);
    void day(bool night);
    void indoor_light();
    Place in_room(float x, float z, float yaw);
    void on_wall(int wall, float height);
    void along_wall();
    void trim(float height);
    void room(bool furnished);
    void hall();
    void street();
    void hills();
    void nature(bool things);
    void forest();
    void shore();
    void skyline();
    void plaza();
    void table_top();
    void portrait();
    void close_face();
    void close_fur();
    void hands();
    void still_life();
    void pile();
    void shelves();
    void fabric();
    void barrier();
    void macro();
    void machine();
    void abstract();
    void mirrors();
    void surface();
    void crowd();
    void foreground();
    void move_camera();
    void make_toon();

    int grow(int first, int count, std::vector<int> &order, const std::vector<Primitive> &from);
    void build_tree();
};
