// The transforms of Winograd's F(4x4, 3x3) on channels-last pictures; winograd.py tells the formula.
// Pictures are [N, H, W, C], H and W multiples of 4, C a multiple of 8; tiles are [36, N H/4 W/4, C].
#include <torch/extension.h>

#include <cstring>

namespace {

typedef float Vec __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8;

Vec load(const float* p) {
    Vec v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
void store(float* p, Vec v) { std::memcpy(p, &v, sizeof v); }

// B' d
void input_rows(const Vec* d, int64_t step, Vec* t, int64_t out) {
    const Vec a = d[0], b = d[step], c = d[2 * step], e = d[3 * step], f = d[4 * step], g = d[5 * step];
    t[0] = 4 * a - 5 * c + f;
    t[out] = (f - 4 * c) + (e - 4 * b);
    t[2 * out] = (f - 4 * c) - (e - 4 * b);
    t[3 * out] = (f - c) + 2 * (e - b);
    t[4 * out] = (f - c) - 2 * (e - b);
    t[5 * out] = 4 * b - 5 * e + g;
}

// A' m
void output_rows(const Vec* m, int64_t step, Vec* y, int64_t out) {
    const Vec sum = m[step] + m[2 * step], difference = m[step] - m[2 * step];
    const Vec sum2 = m[3 * step] + m[4 * step], difference2 = m[3 * step] - m[4 * step];
    y[0] = m[0] + sum + sum2;
    y[out] = difference + 2 * difference2;
    y[2 * out] = sum + 4 * sum2;
    y[3 * out] = difference + 8 * difference2 + m[5 * step];
}

// A y
void gradient_rows(const Vec* y, int64_t step, Vec* m, int64_t out) {
    const Vec a = y[0], b = y[step], c = y[2 * step], d = y[3 * step];
    m[0] = a;
    m[out] = (a + c) + (b + d);
    m[2 * out] = (a + c) - (b + d);
    m[3 * out] = (a + 4 * c) + (2 * b + 8 * d);
    m[4 * out] = (a + 4 * c) - (2 * b + 8 * d);
    m[5 * out] = d;
}

// G w
void filter_rows(const Vec* w, int64_t step, Vec* t, int64_t out) {
    const Vec a = w[0], b = w[step], c = w[2 * step];
    const Vec even = (a + c) * (-1.0f / 6), odd = b * (-1.0f / 6), wide = a * (1.0f / 24) + c * (1.0f / 6), mid = b * (1.0f / 12);
    t[0] = a * 0.25f;
    t[out] = even + odd;
    t[2 * out] = even - odd;
    t[3 * out] = wide + mid;
    t[4 * out] = wide - mid;
    t[5 * out] = c;
}

// G' t
void filter_gradient_rows(const Vec* t, int64_t step, Vec* w, int64_t out) {
    const Vec even = (t[step] + t[2 * step]) * (-1.0f / 6), wide = t[3 * step] + t[4 * step];
    w[0] = t[0] * 0.25f + even + wide * (1.0f / 24);
    w[out] = (t[2 * step] - t[step]) * (1.0f / 6) + (t[3 * step] - t[4 * step]) * (1.0f / 12);
    w[2 * out] = even + wide * (1.0f / 6) + t[5 * step];
}

// Rows of the tile tensor are padded apart, so that its 36 planes do not meet in one cache set.
at::Tensor empty_tiles(int64_t tiles, int64_t channels, const at::Tensor& like) {
    const int64_t plane = tiles * channels;
    return at::empty({36, plane + 48}, like.options()).narrow(1, 0, plane).unflatten(1, {tiles, channels});
}

struct Picture {
    int64_t n, h, w, c;
};

Picture picture_of(const at::Tensor& x) {
    TORCH_CHECK(x.is_contiguous() && x.scalar_type() == at::kFloat && x.dim() == 4 && x.size(1) % 4 == 0 &&
                    x.size(2) % 4 == 0 && x.size(3) % kLanes == 0,
                "want contiguous float [N, 4 h, 4 w, 8 c], found ", x.sizes());
    return {x.size(0), x.size(1), x.size(2), x.size(3)};
}

template <class Work>
void for_each_tile(const Picture& p, Work work) {
    int64_t tile = 0;
    for (int64_t n = 0; n < p.n; ++n) {
        for (int64_t y = 0; y < p.h; y += 4) {
            for (int64_t x = 0; x < p.w; x += 4) work(n, y, x, tile++);
        }
    }
}

// Squares of `Side` pixels from `Before` ahead of each tile on, zero outside the picture, through Rows along both axes.
template <int64_t Side, int64_t Before, void (*Rows)(const Vec*, int64_t, Vec*, int64_t)>
at::Tensor tiles_of(const at::Tensor& pictures) {
    const Picture p = picture_of(pictures);
    at::Tensor tiles = empty_tiles(p.n * p.h * p.w / 16, p.c, pictures);
    const float* source = pictures.const_data_ptr<float>();
    float* target = tiles.data_ptr<float>();
    const int64_t plane = tiles.stride(0);
    for_each_tile(p, [&](int64_t n, int64_t y, int64_t x, int64_t tile) {
        for (int64_t c = 0; c < p.c; c += kLanes) {
            Vec d[Side * Side], t[6 * Side], v[36];
            for (int64_t i = 0; i < Side; ++i) {
                for (int64_t j = 0; j < Side; ++j) {
                    const int64_t sy = y + i - Before, sx = x + j - Before;
                    const bool inside = sy >= 0 && sy < p.h && sx >= 0 && sx < p.w;
                    d[i * Side + j] = inside ? load(source + ((n * p.h + sy) * p.w + sx) * p.c + c) : Vec{};
                }
            }
            for (int64_t j = 0; j < Side; ++j) Rows(d + j, Side, t + j, Side);
            for (int64_t i = 0; i < 6; ++i) Rows(t + Side * i, 1, v + 6 * i, 1);
            for (int64_t k = 0; k < 36; ++k) store(target + k * plane + tile * p.c + c, v[k]);
        }
    });
    return tiles;
}

at::Tensor pictures_of(const at::Tensor& tiles, int64_t n, int64_t h, int64_t w) {
    const int64_t channels = tiles.size(2);
    TORCH_CHECK(tiles.stride(2) == 1 && tiles.stride(1) == channels && tiles.size(1) == n * h * w / 16 &&
                    channels % kLanes == 0, "want tiles of ", n, " pictures, found ", tiles.sizes());
    at::Tensor pictures = at::empty({n, h, w, channels}, tiles.options());
    const Picture p = picture_of(pictures);
    const float* source = tiles.const_data_ptr<float>();
    float* target = pictures.data_ptr<float>();
    const int64_t plane = tiles.stride(0);
    for_each_tile(p, [&](int64_t i, int64_t y, int64_t x, int64_t tile) {
        for (int64_t c = 0; c < p.c; c += kLanes) {
            Vec m[36], t[24], v[16];
            for (int64_t k = 0; k < 36; ++k) m[k] = load(source + k * plane + tile * p.c + c);
            for (int64_t j = 0; j < 6; ++j) output_rows(m + j, 6, t + j, 6);
            for (int64_t r = 0; r < 4; ++r) output_rows(t + 6 * r, 1, v + 4 * r, 1);
            for (int64_t r = 0; r < 4; ++r) {
                for (int64_t s = 0; s < 4; ++s) store(target + ((i * p.h + y + r) * p.w + x + s) * p.c + c, v[r * 4 + s]);
            }
        }
    });
    return pictures;
}

// [3, 3, I, O] -> [36, I, O]
at::Tensor filters(const at::Tensor& weight) {
    TORCH_CHECK(weight.is_contiguous() && weight.dim() == 4 && weight.size(3) % kLanes == 0, "want [3, 3, I, 8 o], found ", weight.sizes());
    at::Tensor tiles = empty_tiles(weight.size(2), weight.size(3), weight);
    const int64_t count = weight.size(2) * weight.size(3), plane = tiles.stride(0);
    const float* source = weight.const_data_ptr<float>();
    float* target = tiles.data_ptr<float>();
    for (int64_t c = 0; c < count; c += kLanes) {
        Vec w[9], t[18], v[36];
        for (int64_t k = 0; k < 9; ++k) w[k] = load(source + k * count + c);
        for (int64_t j = 0; j < 3; ++j) filter_rows(w + j, 3, t + j, 3);
        for (int64_t i = 0; i < 6; ++i) filter_rows(t + 3 * i, 1, v + 6 * i, 1);
        for (int64_t k = 0; k < 36; ++k) store(target + k * plane + c, v[k]);
    }
    return tiles;
}

// [36, I, O] -> [3, 3, I, O]
at::Tensor filter_gradient(const at::Tensor& tiles) {
    const int64_t inputs = tiles.size(1), outputs = tiles.size(2), count = inputs * outputs, plane = tiles.stride(0);
    TORCH_CHECK(tiles.stride(1) == outputs && tiles.stride(2) == 1 && outputs % kLanes == 0, "want [36, I, 8 o], found ", tiles.sizes());
    at::Tensor weight = at::empty({3, 3, inputs, outputs}, tiles.options());
    const float* source = tiles.const_data_ptr<float>();
    float* target = weight.data_ptr<float>();
    for (int64_t c = 0; c < count; c += kLanes) {
        Vec v[36], t[18], w[9];
        for (int64_t k = 0; k < 36; ++k) v[k] = load(source + k * plane + c);
        for (int64_t j = 0; j < 6; ++j) filter_gradient_rows(v + j, 6, t + j, 6);
        for (int64_t i = 0; i < 3; ++i) filter_gradient_rows(t + 6 * i, 1, w + 3 * i, 1);
        for (int64_t k = 0; k < 9; ++k) store(target + k * count + c, w[k]);
    }
    return weight;
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("input_tiles", &tiles_of<6, 1, input_rows>);
    m.def("gradient_tiles", &tiles_of<4, 0, gradient_rows>);
    m.def("pictures", &pictures_of);
    m.def("filters", &filters);
    m.def("filter_gradient", &filter_gradient);
}
