// Statistics of the features of pictures, made once and kept in a file: what Fréchet distances are measured against.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"
#include "base/ranks.h"

namespace nibble {

struct StatisticsRequest {
  std::vector<std::filesystem::path> inputs;  // folders of pictures, or statistics (.safetensors), merged in this order
  std::string features = "clean-fid";         // a name of feature_kinds()
  std::filesystem::path out;                  // .npz as pytorch-fid's, or .safetensors, which can be merged further
  Ranks ranks;                                // processes that share the pictures
};

struct StatisticsResult {
  StatisticsRequest request;
  int64_t pictures = 0, width = 0;
  double trace = 0;  // of the covariance
};

// Features stay beside `out` in `out`.parts until the file is written, so that a stopped run goes on. Progress
// "FEATURES FOLDER". All ranks but the first return 0 pictures. Throws Error{InvalidArgument, NotFound, Corrupt, Io}
// naming input, want and found.
StatisticsResult make_statistics(Context& context, const StatisticsRequest& request);

std::string statistics_text(const StatisticsResult& result);
Json to_json(const StatisticsResult& result);

}  // namespace nibble
