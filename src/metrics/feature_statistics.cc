#include "metrics/feature_statistics.h"

#include <algorithm>

#include "base/error.h"
#include "formats/npz.h"
#include "formats/safetensors_writer.h"
#include "formats/weight_file.h"

namespace nibble {
namespace {

// Row i of the upper triangle holds width - i numbers.
int64_t row_begin(int64_t i, int64_t width) { return i * width - i * (i - 1) / 2; }

// body(i) for every row of the triangle; rows i and width - 1 - i go together, so that all parts are equally long.
template <typename Body>
void parallel_triangle(Context& context, int64_t width, const Body& body) {
  context.threads.run((width + 1) / 2, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      body(i);
      if (width - 1 - i != i) body(width - 1 - i);
    }
  });
}

Tensor to_tensor(const std::vector<double>& values) {
  Tensor tensor = Tensor::zeros(DType::F64, {static_cast<int64_t>(values.size())});
  std::ranges::copy(values, tensor.mutable_values<double>().begin());
  return tensor;
}

std::vector<double> doubles_of(const WeightFile& file, const char* name) {
  const TensorInfo* info = file.info(name);
  if (info == nullptr || info->dtype != DType::F64 || info->shape.rank() != 1)
    fail(ErrorCode::Corrupt,
         "file {}: want feature statistics with a list {} of f64, found {}; make the statistics again",
         file.path().string(), name,
         info == nullptr ? "none" : format("{} {}", to_string(info->dtype), to_string(info->shape)));
  const Tensor tensor = file.get(name);
  return {tensor.values<double>().begin(), tensor.values<double>().end()};
}

}  // namespace

double FeatureStatistics::scatter_at(int64_t i, int64_t j) const {
  return scatter[static_cast<size_t>(row_begin(std::min(i, j), width) + std::abs(i - j))];
}

FeatureStatistics feature_statistics(Context& context, std::span<const float> rows, int64_t width) {
  const int64_t count = static_cast<int64_t>(rows.size()) / width;
  NIBBLE_CHECK(count > 0 && count * width == static_cast<int64_t>(rows.size()), "{} features of width {}", rows.size(),
               width);
  FeatureStatistics s{count, width, std::vector<double>(static_cast<size_t>(width)),
                      std::vector<double>(static_cast<size_t>(row_begin(width, width)))};
  std::vector<double> centred(rows.begin(), rows.end());
  for (size_t at = 0; at < centred.size(); ++at) s.mean[at % s.mean.size()] += centred[at];
  for (double& mean : s.mean) mean /= static_cast<double>(count);
  for (size_t at = 0; at < centred.size(); ++at) centred[at] -= s.mean[at % s.mean.size()];
  parallel_triangle(context, width, [&](int64_t i) {
    double* to = &s.scatter[static_cast<size_t>(row_begin(i, width))];
    for (int64_t n = 0; n < count; ++n) {
      const double* x = &centred[static_cast<size_t>(n * width + i)];
      for (int64_t j = 0; j < width - i; ++j) to[j] += x[0] * x[j];
    }
  });
  return s;
}

void merge(Context& context, FeatureStatistics& into, const FeatureStatistics& next) {
  if (next.count == 0) return;
  if (into.count == 0) {
    into = next;
    return;
  }
  if (into.width != next.width)
    fail(ErrorCode::InvalidArgument, "feature statistics: want width {} found {}; they are of different networks",
         into.width, next.width);
  const double n1 = static_cast<double>(into.count), n2 = static_cast<double>(next.count), n = n1 + n2;
  std::vector<double> delta(next.mean);
  for (size_t i = 0; i < delta.size(); ++i) delta[i] -= into.mean[i];
  parallel_triangle(context, into.width, [&](int64_t i) {
    const int64_t at = row_begin(i, into.width);
    const double factor = delta[static_cast<size_t>(i)] * (n1 * n2 / n);
    for (int64_t j = i; j < into.width; ++j) {
      const size_t k = static_cast<size_t>(at + j - i);
      into.scatter[k] += next.scatter[k] + factor * delta[static_cast<size_t>(j)];
    }
  });
  for (size_t i = 0; i < delta.size(); ++i) into.mean[i] += delta[i] * (n2 / n);
  into.count += next.count;
}

StatisticsBuilder::StatisticsBuilder(Context& context, int64_t width) : context_(context), width_(width) {
  NIBBLE_CHECK(width > 0, "features of width {}", width);
  done_.width = width;
}

StatisticsBuilder::StatisticsBuilder(Context& context, FeatureStatistics from)
    : context_(context), width_(from.width), done_(std::move(from)) {
  if (done_.count % kShardPictures != 0)
    fail(ErrorCode::InvalidArgument,
         "feature statistics: want a multiple of {} pictures to go on from, found {}; start again", kShardPictures,
         done_.count);
}

void StatisticsBuilder::add(std::span<const float> rows) {
  NIBBLE_CHECK(static_cast<int64_t>(rows.size()) % width_ == 0, "{} features of width {}", rows.size(), width_);
  const size_t shard = static_cast<size_t>(kShardPictures * width_);
  while (!rows.empty()) {
    const std::span<const float> part = rows.first(std::min(rows.size(), shard - pending_.size()));
    pending_.insert(pending_.end(), part.begin(), part.end());
    rows = rows.subspan(part.size());
    if (pending_.size() < shard) continue;
    merge(context_, done_, feature_statistics(context_, pending_, width_));
    pending_.clear();
  }
}

FeatureStatistics StatisticsBuilder::finish() const {
  FeatureStatistics all = done_;
  if (!pending_.empty()) merge(context_, all, feature_statistics(context_, pending_, width_));
  return all;
}

FeatureGaussian gaussian_of(const FeatureStatistics& s) {
  if (s.count < 2)
    fail(ErrorCode::InvalidArgument, "feature statistics: want at least 2 pictures for a covariance, found {}",
         s.count);
  FeatureGaussian g{s.count, s.mean, std::vector<double>(static_cast<size_t>(s.width * s.width))};
  for (int64_t i = 0; i < s.width; ++i)
    for (int64_t j = 0; j < s.width; ++j)
      g.sigma[static_cast<size_t>(i * s.width + j)] = s.scatter_at(i, j) / static_cast<double>(s.count - 1);
  return g;
}

void save_statistics(const std::filesystem::path& file, const FeatureStatistics& s, const std::string& features) {
  Tensor count = Tensor::zeros(DType::I64, {1});
  count.mutable_values<int64_t>()[0] = s.count;
  write_safetensors(file, {{"count", count}, {"mean", to_tensor(s.mean)}, {"scatter", to_tensor(s.scatter)}},
                    {{"statistics", features}});
}

FeatureStatistics load_statistics(const std::filesystem::path& path, const std::string& features) {
  const WeightFile file = open_weights(path);
  FeatureStatistics s;
  s.mean = doubles_of(file, "mean");
  s.scatter = doubles_of(file, "scatter");
  s.width = static_cast<int64_t>(s.mean.size());
  const TensorInfo* count = file.info("count");
  if (count == nullptr || count->dtype != DType::I64 || count->shape.count() != 1)
    fail(ErrorCode::Corrupt,
         "file {}: want feature statistics with a number count of i64, found none; make the statistics again",
         path.string());
  s.count = file.get("count").values<int64_t>()[0];
  if (static_cast<int64_t>(s.scatter.size()) != row_begin(s.width, s.width) || s.count < 0)
    fail(ErrorCode::Corrupt,
         "file {}: want {} numbers of scatter for a mean of {}, found {}; make the statistics again", path.string(),
         row_begin(s.width, s.width), s.width, s.scatter.size());
  const auto found = file.metadata().find("statistics");
  if (found == file.metadata().end() || found->second != features)
    fail(ErrorCode::InvalidArgument,
         "file {}: want statistics of {} found {}; distances of different features mean nothing", path.string(),
         features, found == file.metadata().end() ? "none named" : found->second);
  return s;
}

void save_gaussian(const std::filesystem::path& file, const FeatureGaussian& g) {
  Tensor count = Tensor::zeros(DType::I64, {1}), sigma = Tensor::zeros(DType::F64, {g.width(), g.width()});
  count.mutable_values<int64_t>()[0] = g.count;
  std::ranges::copy(g.sigma, sigma.mutable_values<double>().begin());
  write_npz(file, {{"mu", to_tensor(g.mean)}, {"sigma", sigma}, {"count", count}});
}

FeatureGaussian load_gaussian(const std::filesystem::path& path, const std::string& features) {
  if (path.extension() != ".npz") return gaussian_of(load_statistics(path, features));
  const std::map<std::string, Tensor> arrays = read_npz(path);
  const auto doubles = [&](const char* name, int rank) {
    const auto found = arrays.find(name);
    if (found == arrays.end() || found->second.shape().rank() != rank ||
        (found->second.dtype() != DType::F64 && found->second.dtype() != DType::F32))
      fail(ErrorCode::Corrupt,
           "file {}: want an array {} of rank {} in f64 or f32, as pytorch-fid writes them, found {}", path.string(),
           name, rank,
           found == arrays.end() ? "none"
                                 : format("{} {}", to_string(found->second.dtype()), to_string(found->second.shape())));
    const Tensor tensor = found->second.to(DType::F64);
    return std::vector<double>(tensor.values<double>().begin(), tensor.values<double>().end());
  };
  FeatureGaussian g{0, doubles("mu", 1), doubles("sigma", 2)};
  if (arrays.at("sigma").shape() != Shape{g.width(), g.width()})
    fail(ErrorCode::Corrupt, "file {}: want sigma {} for mu of {} found {}", path.string(),
         to_string(Shape{g.width(), g.width()}), g.width(), to_string(arrays.at("sigma").shape()));
  if (const auto count = arrays.find("count");
      count != arrays.end() && count->second.dtype() == DType::I64 && count->second.count() == 1)
    g.count = count->second.values<int64_t>()[0];
  return g;
}

}  // namespace nibble
