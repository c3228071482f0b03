// Mean and covariance of picture features, gathered in fixed shards and merged in the order of their indices, so that
// the result is the same to the last bit for one process or many, for any number of threads, in one go or resumed.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include "base/context.h"
#include "tensor/tensor.h"

namespace nibble {

struct FeatureStatistics {
  int64_t count = 0, width = 0;
  std::vector<double> mean;     // [width]
  std::vector<double> scatter;  // Σ (x - mean)(x - mean)ᵀ, upper triangle by rows: (0,0) … (0,w-1), (1,1) …

  double scatter_at(int64_t i, int64_t j) const;
  bool operator==(const FeatureStatistics&) const = default;
};

// Of `rows` [n, width], n >= 1, in float64.
FeatureStatistics feature_statistics(Context& context, std::span<const float> rows, int64_t width);

// into becomes the statistics of both (Chan, Golub, LeVeque 1979); order matters in the last bits. An empty `into`
// becomes `next`. Throws Error{InvalidArgument} for different widths.
void merge(Context& context, FeatureStatistics& into, const FeatureStatistics& next);

constexpr int64_t kShardPictures = 64;  // picture i belongs to shard i / 64

// Gathers features in the order of the pictures. Processes that share a set take whole shards, hand the shards'
// features or statistics to one of them, and that one merges them by index: the result equals that of a single
// StatisticsBuilder.
class StatisticsBuilder {
 public:
  StatisticsBuilder(Context& context, int64_t width);
  // Continues where finished statistics of whole shards end. Throws Error{InvalidArgument} where they end within a
  // shard.
  StatisticsBuilder(Context& context, FeatureStatistics from);

  void add(std::span<const float> rows);  // [n, width], n any
  int64_t count() const { return done_.count + static_cast<int64_t>(pending_.size()) / width_; }
  FeatureStatistics finish() const;  // of all that was added, the last shard as it is; adding may go on

 private:
  Context& context_;
  int64_t width_;
  FeatureStatistics done_;
  std::vector<float> pending_;  // of the shard that is not full yet
};

// A Gaussian as the reference tools store it.
struct FeatureGaussian {
  int64_t count = 0;          // 0: the file does not say
  std::vector<double> mean;   // [width]
  std::vector<double> sigma;  // [width, width]
  int64_t width() const { return static_cast<int64_t>(mean.size()); }
};

// sigma = scatter / (count - 1). Throws Error{InvalidArgument} for fewer than two pictures.
FeatureGaussian gaussian_of(const FeatureStatistics& statistics);

// Exact and mergeable: safetensors with count, mean, scatter. `features` tells what was measured: "clean-fid".
void save_statistics(const std::filesystem::path& file, const FeatureStatistics& statistics,
                     const std::string& features);
// Throws Error{InvalidArgument} where the file holds other features than `features`, Error{Corrupt} naming file, want
// and found, and what open_weights throws.
FeatureStatistics load_statistics(const std::filesystem::path& file, const std::string& features);

// As pytorch-fid, clean-fid and SVDQuant's evaluation keep them: .npz with mu and sigma, and count beside them, which
// they pass over. Cannot be merged exactly.
void save_gaussian(const std::filesystem::path& file, const FeatureGaussian& gaussian);
// Of either file; count is 0 where an .npz does not tell it. Throws as load_statistics and read_npz.
FeatureGaussian load_gaussian(const std::filesystem::path& file, const std::string& features);

}  // namespace nibble
