// The options of reading, filtering and choosing from a data set that `dataset` and `evaluate` share.
#pragma once

#include "apps/cli/command.h"
#include "tasks/dataset.h"

namespace nibble::cli {

struct DatasetOptions {
  DatasetRequest request;
  std::string order = "file", caption = "first";
  bool keep_text = false;
};

// `positional`: the data set's path may be given without --data.
void add_dataset_options(CLI::App& command, DatasetOptions& options, bool positional = false);

// The request with the texts parsed.
DatasetRequest finished_dataset(const DatasetOptions& options);

// Names and layouts of all data sets, for --help.
std::string dataset_list();

}  // namespace nibble::cli
