// Metrics of whole sets of pictures: how far an arm's are from another set's, or how varied they are. They are made of
// features that networks see in pictures. Adding a metric or a kind of features is a row.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/feature_statistics.h"
#include "tasks/evaluate/shards.h"

namespace nibble {

struct FeatureKind {
  const char* name;  // network and pipeline, "clean-fid"; belongs to every number
  const char* about;
  Measure (*open)(Context& context);
  std::vector<std::filesystem::path> (*files)();  // of the network; throws Error{NotFound} that says where to get it

  MeasureSource source() const { return {name, open, files()}; }
};

const std::vector<FeatureKind>& feature_kinds();
const FeatureKind& find_feature_kind(std::string_view name);  // throws Error{InvalidArgument} with the known names

// The measured features of a set, or only the Gaussian that a file holds.
class FeatureSet {
 public:
  FeatureSet(Context& context, const Shards& shards, const FeatureKind& kind, const PictureSet& set)
      : context_(context), shards_(&shards), kind_(&kind), set_(&set) {}
  FeatureSet(Context& context, FeatureGaussian saved) : context_(context), saved_(std::move(saved)) {}

  Context& context() const { return context_; }
  FeatureStatistics statistics() const;  // one part in memory at a time; not of a file
  FeatureGaussian gaussian() const;
  Tensor all() const;  // [n, width]; not of a file

 private:
  Context& context_;
  const Shards* shards_ = nullptr;
  const FeatureKind* kind_ = nullptr;
  const PictureSet* set_ = nullptr;
  std::optional<FeatureGaussian> saved_;
};

struct SetMetric {
  const char* name;  // in options, JSON and tables
  const char* title;
  const char* about;
  const char* features;  // of which kind
  int digits;
  bool higher_is_better;
  bool paired;      // compares with another set
  bool from_saved;  // which may be only the statistics of a file
  // Throws Error{InvalidArgument} for sets that are too small. `reference` may be null where not paired.
  double (*value)(const FeatureSet& pictures, const FeatureSet* reference);

  const FeatureKind& kind() const { return find_feature_kind(features); }
};

const std::vector<SetMetric>& set_metrics();
const SetMetric* find_set_metric(std::string_view name);  // null where there is none

}  // namespace nibble
