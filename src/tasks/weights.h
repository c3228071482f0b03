// `nibble weights`: the published files that metrics need, put in their place once and checked.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/file.h"
#include "base/json.h"
#include "metrics/published_weights.h"

namespace nibble {

// Absent      not added
// Verified    the published checksum, or its published first digits, were found when it was added
// Unverified  its structure fits; none is published, or the user accepted another one
// Damaged     it is not the file that was added (only check_weights looks)
enum class WeightsState { Absent, Verified, Unverified, Damaged };
const char* to_string(WeightsState state);

struct WeightsStatus {
  const PublishedWeights* row = nullptr;
  WeightsState state = WeightsState::Absent;
  std::filesystem::path file;  // where it is or belongs
  std::string sha256;          // of the file as it was added; empty when absent
  uintmax_t bytes = 0;
  std::string note;  // check_weights: what is wrong
};

std::vector<WeightsStatus> list_weights();

struct AddWeights {
  std::string name;
  std::filesystem::path file;
  bool unverified = false;  // accept a file of another checksum whose structure fits
  bool link = false;        // a symbolic link to the file instead of a copy
};

// Checks checksum and structure, then puts the file into weights_folder() under its name; another file of that name is
// replaced as a whole or not at all. Reports progress as "checksum" and "copy"; cancellable.
// Throws Error{NotFound} for an unknown name or absent file, Error{InvalidArgument} naming want, find and remedy where
// the checksum differs or the network is another one, Error{Io}.
WeightsStatus add_weights(Context& context, const AddWeights& request);

// Reads every added file again (or only `name`'s): checksum against the one it was added with, and structure.
std::vector<WeightsStatus> check_weights(Context& context, const std::string& name = {});

// Of a whole file, 64 lower-case digits; progress is reported as `stage`, in bytes; cancellable.
std::string sha256_of(Context& context, const MappedFile& file, const std::string& stage = "checksum");

std::string weights_text(const std::vector<WeightsStatus>& rows);
OrderedJson weights_json(const std::vector<WeightsStatus>& rows);

}  // namespace nibble
