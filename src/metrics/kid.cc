#include "metrics/kid.h"

#include <cmath>

#include "base/eigen.h"
#include "base/error.h"
#include "metrics/subset_random.h"

namespace nibble {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void check(const Tensor& a, const Tensor& b, int64_t least) {
  for (const Tensor* t : {&a, &b})
    NIBBLE_CHECK(t->shape().rank() == 2 && (t->dtype() == DType::F32 || t->dtype() == DType::F64), "features {}", to_string(t->shape()));
  if (a.dim(1) != b.dim(1))
    fail(ErrorCode::InvalidArgument, "KID: want features of one width found {} and {}; they are of different networks", a.dim(1), b.dim(1));
  if (std::min(a.dim(0), b.dim(0)) < least)
    fail(ErrorCode::InvalidArgument, "KID: want at least {} pictures on both sides found {} and {}; give more, or a smaller subset", least, a.dim(0),
         b.dim(0));
}

template <typename T>
void copy_rows(const Tensor& from, std::span<const int64_t> rows, Matrix& to) {
  const size_t width = static_cast<size_t>(from.dim(1));
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::span<const T> row = from.values<T>().subspan(static_cast<size_t>(rows[i]) * width, width);
    std::copy(row.begin(), row.end(), to.data() + i * width);
  }
}

Matrix rows_of(const Tensor& from, std::span<const int64_t> rows) {
  Matrix to(static_cast<Eigen::Index>(rows.size()), static_cast<Eigen::Index>(from.dim(1)));
  from.dtype() == DType::F32 ? copy_rows<float>(from, rows, to) : copy_rows<double>(from, rows, to);
  return to;
}

double kernel(double product, double width) {
  const double k = product / width + 1;
  return k * k * k;
}

// Σ k(x_i, x_j) over i != j.
double sum_within(const Matrix& x) {
  Matrix products = Matrix::Zero(x.rows(), x.rows());
  products.selfadjointView<Eigen::Lower>().rankUpdate(x);
  double sum = 0;
  for (Eigen::Index i = 0; i < x.rows(); ++i)
    for (Eigen::Index j = 0; j < i; ++j) sum += kernel(products(i, j), static_cast<double>(x.cols()));
  return 2 * sum;
}

double sum_between(const Matrix& x, const Matrix& y) {
  Matrix products(x.rows(), y.rows());
  products.noalias() = x * y.transpose();
  double sum = 0;
  for (Eigen::Index i = 0; i < products.size(); ++i) sum += kernel(products.data()[i], static_cast<double>(x.cols()));
  return sum;
}

double mmd(const Matrix& x, const Matrix& y) {
  const double m = static_cast<double>(x.rows()), n = static_cast<double>(y.rows());
  return sum_within(x) / (m * (m - 1)) + sum_within(y) / (n * (n - 1)) - 2 * sum_between(x, y) / (m * n);
}

std::vector<int64_t> all_of(const Tensor& t) {
  std::vector<int64_t> rows(static_cast<size_t>(t.dim(0)));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);
  return rows;
}

}  // namespace

double polynomial_mmd(const Tensor& a, const Tensor& b) {
  check(a, b, 2);
  return mmd(rows_of(a, all_of(a)), rows_of(b, all_of(b)));
}

Kid kernel_inception_distance(Context& context, const Tensor& a, const Tensor& b, const KidOptions& o) {
  if (o.subsets < 1 || o.size < 2) fail(ErrorCode::InvalidArgument, "KID: want subsets of at least 2 pictures found {} of {}", o.subsets, o.size);
  check(a, b, o.size);
  Generator random(o.seed);
  const auto choose = [&](const Tensor& t) {
    std::vector<int64_t> rows = o.choice == KidSubsets::TorchFidelity ? numpy_permutation(random, t.dim(0)) : torch_permutation(random, t.dim(0));
    rows.resize(static_cast<size_t>(o.size));
    return rows;
  };
  std::vector<std::vector<int64_t>> chosen;
  for (int64_t i = 0; i < o.subsets; ++i) chosen.push_back(choose(a)), chosen.push_back(choose(b));
  std::vector<double> values(static_cast<size_t>(o.subsets));
  const int64_t threads = context.threads.size();
  for (int64_t done = 0; done < o.subsets; done += threads) {
    context.check_cancelled();
    context.report("kid", done, o.subsets);
    context.threads.run(std::min(threads, o.subsets - done), 1, [&](int64_t begin, int64_t end, int) {
      for (size_t i = static_cast<size_t>(done + begin); i < static_cast<size_t>(done + end); ++i)
        values[i] = mmd(rows_of(a, chosen[2 * i]), rows_of(b, chosen[2 * i + 1]));
    });
  }
  context.report("kid", o.subsets, o.subsets);
  Kid kid{0, 0, o.subsets, o.size};
  for (const double v : values) kid.mean += v / static_cast<double>(o.subsets);
  for (const double v : values) kid.deviation += (v - kid.mean) * (v - kid.mean) / static_cast<double>(o.subsets);
  kid.deviation = std::sqrt(kid.deviation);
  return kid;
}

}  // namespace nibble
