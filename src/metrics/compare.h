// Compares two pictures, or the pictures of two folders that have the same name.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "metrics/pair_metric.h"

namespace nibble {

struct ComparedPair {
  std::string name;            // relative to the folders, without the extension; of two files, the second's name
  std::vector<double> values;  // one for each metric; PSNR of identical pictures is infinite
  double mse = 0;              // of values 0…255
  bool resized = false;        // the reference had another size and was resized to the other's (bicubic)
};

struct Comparison {
  std::filesystem::path reference, other;
  std::vector<const PairMetric*> metrics;
  std::vector<ComparedPair> pairs;                      // by name, at least one
  std::vector<std::string> only_reference, only_other;  // pictures without a partner

  int64_t identical() const;
  double mean(size_t metric) const;
  double mean_of_different(size_t metric) const;  // leaves identical pairs out; NaN if there are no others
  double pooled_psnr() const;                     // of the mean squared error over all pairs
};

// The .png, .jpg, .jpeg and .webp of a folder, to any depth, by name (relative, without the extension). Throws
// Error{InvalidArgument} for two pictures of one name.
std::map<std::string, std::filesystem::path> pictures_in(const std::filesystem::path& folder);

// Two files or two folders; folders are searched to any depth for .png, .jpg, .jpeg and .webp. Reports progress as
// "compare". Throws Error{NotFound} for absent paths and where no names match, Error{InvalidArgument} for a file beside
// a folder and for two pictures of one name, and what reading a picture throws.
Comparison compare_pictures(Context& context, const std::filesystem::path& reference,
                            const std::filesystem::path& other, std::vector<const PairMetric*> metrics);

// A table for people: one row a pair (at most `max_rows`, the worst first by the first metric), means, what is missing.
std::string comparison_text(const Comparison& comparison, size_t max_rows = 50);

// Every pair, the means and the missing names. An infinite value is null, beside "identical": true.
OrderedJson comparison_json(const Comparison& comparison);

}  // namespace nibble
