// Renders views of scenes, on a GPU (nvcc) or on the CPU's threads (g++ -x c++). Called from generator.py.
//   colour [n,3,H,W] half (GPU) or float (CPU), linear light; disparity [n,H,W] float; unseen [n,H,W] bytes.
#include "shade.h"

#ifdef __CUDACC__
#include <cuda_fp16.h>

static constexpr int tile = 8; // a warp covers 8x4 pixels: neighbours meet the same things

// Rays wait for memory most of the time: 12 blocks a multiprocessor are worth some spilt registers.
__global__ void __launch_bounds__(tile *tile, 12)
    k_render(__half *colour, float *disparity, uint8_t *unseen, const Scene *scenes, const View *views,
             int height, int width, int grid)
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
}

extern "C" int render_on_gpu(void *colour, float *disparity, uint8_t *unseen, const Scene *scenes,
                             const View *views, int n, int height, int width, int grid, cudaStream_t stream)
{
    const dim3 blocks((width + tile - 1) / tile, (height + tile - 1) / tile, n), threads(tile, tile);

    k_render<<<blocks, threads, 0, stream>>>((__half *)colour, disparity, unseen, scenes, views, height,
                                             width, grid);
    return (int)cudaGetLastError();
}
#endif

extern "C" void render_on_cpu(float *colour, float *disparity, uint8_t *unseen, const Scene *scenes,
                              const View *views, int n, int height, int width, int grid)
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
        }
    }
}
