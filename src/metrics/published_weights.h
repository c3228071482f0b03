// The published weight files that metrics need: how each is known, its licence, where it comes from, and where this
// machine keeps it. Nothing is ever downloaded: the user gets a file once and `nibble weights add` puts it in its
// place.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace nibble {

struct ExpectedTensor {
  const char* name;
  std::array<int64_t, 4> shape;  // ends at the first 0
};

struct PublishedWeights {
  const char* name;         // as the user names it: "clip-vit-l-14"
  const char* file;         // as it is published
  std::string_view sha256;  // of that file; its first digits where only they are published; empty where none are
  const char* licence;
  const char* needed_by;
  const char* source;  // a sentence: where to get it
  // Tensors that tell the network, in the published naming and in another one (may be empty).
  std::span<const ExpectedTensor> tensors, other_tensors;
  int64_t lines = 0;  // a text file of so many lines instead of tensors
};

std::span<const PublishedWeights> published_weights();

// Throws Error{NotFound} with the known names.
const PublishedWeights& find_published_weights(std::string_view name);

// $NIBBLE_CACHE/weights; without the variable $XDG_CACHE_HOME/nibble/weights or ~/.cache/nibble/weights.
std::filesystem::path weights_folder();

// Where the file belongs, whether or not it is there.
std::filesystem::path weights_path(const PublishedWeights& row);

// The file of a metric. Throws Error{NotFound} that says where to get it and the command that adds it.
std::filesystem::path require_weights(std::string_view name);

// Throws Error{InvalidArgument} naming file, want, find and remedy where the file is another network, and what reading
// it throws.
void check_weights_structure(const PublishedWeights& row, const std::filesystem::path& file);

}  // namespace nibble
