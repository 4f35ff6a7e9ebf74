// Renders views of scenes, on a GPU (nvcc) or on the CPU's threads (g++ -x c++). Called from generator.py.
//   colour [n,3,H,W] half (GPU) or float (CPU), linear light; disparity [n,H,W] float; unseen [n,H,W] bytes.
#include "shade.h"

// How much brighter a pixel is once the shares in it are means over the same surface around it. A 4x4 block's
// rays share the sphere (scatter_of), so the window is 4 wide, its edge pixels counting half.
BOTH float smoothed(const Grainy *grainy, int x, int y, int width, int height)
{
    const Grainy g = grainy[y * width + x];
    float around = 0, key = 0, total = 0;

    if (!g.surface)
        return 1;
    for (int dy = -2; dy <= 2; dy++) {
        for (int dx = -2; dx <= 2; dx++) {
            const int u = x + dx, v = y + dy;

            if (u < 0 || v < 0 || u >= width || v >= height)
                continue;
            const Grainy o = grainy[v * width + u];
            float weight = (dx * dx == 4 ? 0.5f : 1) * (dy * dy == 4 ? 0.5f : 1);

            for (int k = 0; k < 24; k += 8) { // 20 degrees apart: no longer the same
                const float off = (float)(int)(o.surface >> k & 255) - (float)(int)(g.surface >> k & 255);
                weight *= fmaxf(1 - off * off / (45 * 45), 0);
            }
            if (o.surface >> 24 != g.surface >> 24)
                continue;
            around += weight * o.around;
            key += weight * o.key;
            total += weight;
        }
    }
    const float before = g.open * g.around + g.key_light * g.key + g.lamps;
    const float after = (g.open * around + g.key_light * key) / total + g.lamps;
    return fminf((after + 1e-4f) / (before + 1e-4f), 4); // where a pixel is dark its colour is not known well
}

#ifdef __CUDACC__
#include <cuda_fp16.h>

static constexpr int tile = 8; // a warp covers 8x4 pixels: neighbours meet the same things

// Rays wait for memory most of the time: 12 blocks a multiprocessor are worth some spilt registers.
__global__ void __launch_bounds__(tile *tile, 12)
    k_render(__half *colour, float *disparity, uint8_t *unseen, Grainy *grainy, const Scene *scenes,
             const View *views, int height, int width, int grid)
{
    const int x = blockIdx.x * tile + threadIdx.x, y = blockIdx.y * tile + threadIdx.y;
    const View view = views[blockIdx.z];
    const size_t plane = (size_t)height * width, at = (size_t)y * width + x;

    if (x >= width || y >= height)
        return;
    const Pixel p = pixel_at(scenes[view.scene], view.eye, x, y, width, height, grid);
    __half *out = colour + blockIdx.z * 3 * plane + at;

    out[0] = __float2half(p.colour.x);
    out[plane] = __float2half(p.colour.y);
    out[2 * plane] = __float2half(p.colour.z);
    disparity[blockIdx.z * plane + at] = p.disparity;
    unseen[blockIdx.z * plane + at] = (uint8_t)p.unseen;
    grainy[blockIdx.z * plane + at] = p.grainy;
}

__global__ void k_smooth(__half *colour, const Grainy *grainy, int height, int width)
{
    const int x = blockIdx.x * tile + threadIdx.x, y = blockIdx.y * tile + threadIdx.y;
    const size_t plane = (size_t)height * width;

    if (x >= width || y >= height)
        return;
    const float gain = smoothed(grainy + blockIdx.z * plane, x, y, width, height);
    __half *at = colour + blockIdx.z * 3 * plane + (size_t)y * width + x;

    for (int i = 0; i < 3; i++)
        at[i * plane] = __float2half(gain * __half2float(at[i * plane]));
}

extern "C" int render_on_gpu(void *colour, float *disparity, uint8_t *unseen, Grainy *grainy,
                             const Scene *scenes, const View *views, int n, int height, int width, int grid,
                             cudaStream_t stream)
{
    const dim3 blocks((width + tile - 1) / tile, (height + tile - 1) / tile, n), threads(tile, tile);

    k_render<<<blocks, threads, 0, stream>>>((__half *)colour, disparity, unseen, grainy, scenes, views,
                                             height, width, grid);
    k_smooth<<<blocks, threads, 0, stream>>>((__half *)colour, grainy, height, width);
    return (int)cudaGetLastError();
}
#endif

extern "C" void render_on_cpu(float *colour, float *disparity, uint8_t *unseen, Grainy *grainy,
                              const Scene *scenes, const View *views, int n, int height, int width, int grid)
{
    const size_t plane = (size_t)height * width;

#pragma omp parallel for schedule(dynamic, 8)
    for (int row = 0; row < n * height; row++) {
        const int i = row / height, y = row % height;

        for (int x = 0; x < width; x++) {
            const size_t at = (size_t)y * width + x;
            const Pixel p = pixel_at(scenes[views[i].scene], views[i].eye, x, y, width, height, grid);
            float *out = colour + i * 3 * plane + at;

            out[0] = p.colour.x;
            out[plane] = p.colour.y;
            out[2 * plane] = p.colour.z;
            disparity[i * plane + at] = p.disparity;
            unseen[i * plane + at] = (uint8_t)p.unseen;
            grainy[i * plane + at] = p.grainy;
        }
    }
#pragma omp parallel for schedule(dynamic, 8)
    for (int row = 0; row < n * height; row++) {
        const int i = row / height, y = row % height;

        for (int x = 0; x < width; x++) {
            const float gain = smoothed(grainy + i * plane, x, y, width, height);

            for (int k = 0; k < 3; k++)
                colour[(i * 3 + k) * plane + (size_t)y * width + x] *= gain;
        }
    }
}

extern "C" int grainy_bytes()
{
    return (int)sizeof(Grainy);
}
