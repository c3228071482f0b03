#include "apps/cli/command.h"

namespace nibble::cli {

void add_generate(CLI::App& app, const Common& common, std::function<void()>& run);
void add_estimate(CLI::App& app, const Common& common, std::function<void()>& run);
void add_bench(CLI::App& app, const Common& common, std::function<void()>& run);

const std::vector<Command>& commands() {
  static const std::vector<Command> rows = {
      {"generate", add_generate},
      {"estimate", add_estimate},
      {"bench", add_bench},
  };
  return rows;
}

}  // namespace nibble::cli
