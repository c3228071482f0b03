#include "apps/cli/command.h"

namespace nibble::cli {

void add_generate(CLI::App& app, const Common& common, std::function<void()>& run);
void add_estimate(CLI::App& app, const Common& common, std::function<void()>& run);
void add_inspect(CLI::App& app, const Common& common, std::function<void()>& run);
void add_convert(CLI::App& app, const Common& common, std::function<void()>& run);
void add_quantize(CLI::App& app, const Common& common, std::function<void()>& run);
void add_compare(CLI::App& app, const Common& common, std::function<void()>& run);
void add_evaluate(CLI::App& app, const Common& common, std::function<void()>& run);
void add_statistics(CLI::App& app, const Common& common, std::function<void()>& run);
void add_dataset(CLI::App& app, const Common& common, std::function<void()>& run);
void add_weights(CLI::App& app, const Common& common, std::function<void()>& run);
void add_bench(CLI::App& app, const Common& common, std::function<void()>& run);

const std::vector<Command>& commands() {
  static const std::vector<Command> rows = {
      {"generate", add_generate},
      {"estimate", add_estimate},
      {"inspect", add_inspect},
      {"convert", add_convert},
      {"quantize", add_quantize},
      {"compare", add_compare},
      {"evaluate", add_evaluate},
      {"statistics", add_statistics},
      {"dataset", add_dataset},
      {"weights", add_weights},
      {"bench", add_bench},
  };
  return rows;
}

}  // namespace nibble::cli
