// The speed of the networks behind the metrics, from decoded pictures to features.
#pragma once

#include <string>

#include "base/context.h"
#include "base/json.h"

namespace nibble {

struct NetworkBench {
  std::string network;
  int64_t batch = 0;   // pictures given at once
  double seconds = 0;  // wall time of a batch, the best of the runs
  double rate() const { return static_cast<double>(batch) / seconds; }
};

// `network` is inception-fid or a clip-vit-… of `nibble weights`; the pictures already have the size that it sees. One
// run more warms up. Throws Error{NotFound} that says where to get an absent file, Error{InvalidArgument} for other
// names.
NetworkBench bench_network(Context& context, const std::string& network, int64_t batch, int runs);

Json to_json(const NetworkBench& bench);

}  // namespace nibble
