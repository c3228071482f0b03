// The forms of attention through a plan: what the kernels give head by head, for any number of threads.
#include <gtest/gtest.h>

#include "base/random.h"
#include "graph/plan.h"
#include "graph/replace.h"
#include "kernels/attention/attention.h"
#include "ops/attention.h"
#include "ops/basic.h"

namespace nibble::ops {
namespace {

constexpr int64_t kImages = 2, kHeads = 3, kWidth = 24, kQueries = 150, kKeys = 70;  // heads of 8

Tensor random_tensor(const Shape& shape, uint64_t seed) {
  Tensor t = Tensor::zeros(DType::F32, shape);
  Generator generator(seed);
  generator.randn(t.mutable_values<float>());
  return t;
}

struct Problem {
  Tensor q = random_tensor({kImages, kQueries, kWidth}, 1), k = random_tensor({kImages, kKeys, kWidth}, 2),
         v = random_tensor({kImages, kKeys, kWidth}, 3);

  // 1 - attention(q, k, v), so that another op stands beside it.
  Tensor through_plan(int threads, AttentionForm form) const {
    Context context(threads);
    Graph recorded, graph;
    std::vector<Value> in;
    for (const auto& [name, tensor] : {std::pair{"q", &q}, {"k", &k}, {"v", &v}})
      in.push_back(recorded.input(name, {DType::F32, tensor->shape()}, Rate::Step));
    const Value out = scale(attention(in[0], in[1], in[2], {.heads = kHeads}), -1, 1);
    record_replaced(recorded, graph, [&](const Op& op) { return attention_in_form(op, form); });
    Plan plan(context, graph, {Value(&graph, out.id())});
    plan.bind("q", q), plan.bind("k", k), plan.bind("v", v);
    plan.run();
    return plan.output_copy(0);
  }

  std::vector<float> by_kernel(AttentionForm form) const {
    const kernels::AttentionKernel& kernel = kernels::select_attention(usable_cpu(), DType::F32, form);
    constexpr int64_t d = kWidth / kHeads;
    std::vector<float> out(static_cast<size_t>(kImages * kQueries * kWidth));
    std::vector<std::byte> space(kernel.scratch_bytes(kKeys, d) + 64);
    std::byte* scratch = space.data() + 63 - (reinterpret_cast<uintptr_t>(space.data()) + 63) % 64;
    for (int64_t image = 0; image < kImages; ++image) {
      kernels::AttentionArgs a{};
      a.q = q.values<float>().data() + image * kQueries * kWidth;
      a.k = k.values<float>().data() + image * kKeys * kWidth;
      a.v = v.values<float>().data() + image * kKeys * kWidth;
      a.out = out.data() + image * kQueries * kWidth;
      a.q_stride = a.k_stride = a.v_stride = a.out_stride = kWidth;
      a.lq = kQueries, a.lk = kKeys, a.d = d, a.scale = 1.0f / std::sqrt(static_cast<float>(d));
      for (int64_t head = 0; head < kHeads; ++head) kernel.run(a, head, 0, kQueries, scratch);
    }
    for (float& x : out) x = -x + 1;
    return out;
  }
};

TEST(AttentionForms, Plans_run_the_kernel_of_the_form) {
  const Problem p;
  std::vector<std::vector<float>> results;
  for (const AttentionFormRow& row : kAttentionForms) {
    results.push_back(p.by_kernel(row.form));
    for (const int threads : {1, 3}) {
      const Tensor got = p.through_plan(threads, row.form);
      const auto values = got.values<float>();
      ASSERT_TRUE(std::equal(values.begin(), values.end(), results.back().begin())) << row.name << ", " << threads;
    }
  }
  EXPECT_NE(results[0], results[1]);
  EXPECT_NE(results[1], results[2]);
}

TEST(AttentionForms, Names_are_read_back) {
  for (const AttentionFormRow& row : kAttentionForms)
    EXPECT_EQ(attention_form_from_name(to_string(row.form)), row.form);
  EXPECT_FALSE(attention_form_from_name("int7"));
}

}  // namespace
}  // namespace nibble::ops
