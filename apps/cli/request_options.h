// The options of a text-to-image request that `generate` and `estimate` share.
#pragma once

#include "apps/cli/command.h"
#include "pipelines/request.h"

namespace nibble::cli {

struct RequestOptions {
  GenerateRequest request;
  std::string model = "emoji", vae, precision, guidance_mode = "auto", attention = "float", memory, vae_tiles, schedule, spacing, prediction;
  double guidance = -1, eta = -1;
  bool zero_terminal_snr = false;
};

void add_request_options(CLI::App& command, RequestOptions& options);

// The request with the texts parsed. Throws Error{InvalidArgument}.
GenerateRequest finished_request(const RequestOptions& options);

std::string sampler_list();

}  // namespace nibble::cli
