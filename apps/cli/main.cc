// The program: parses the line, runs one command, turns errors into a sentence and an exit status.
#include <cstdio>
#include <iostream>

#include "apps/cli/command.h"
#include "apps/cli/progress_bar.h"
#include "base/error.h"

namespace nibble::cli {
namespace {

int report(const Error& error, bool json) {
  clear_progress();
  const ErrorInfo& info = error_info(error.code());
  if (json) print_json({{"error", {{"code", info.name}, {"message", error.what()}}}});
  std::fprintf(stderr, "nibble: %s\n", error.what());
  return info.exit_status;
}

int run(int argc, char** argv) {
  CLI::App app{"nibble: text-to-image diffusion models on small machines", "nibble"};
  app.set_version_flag("--version", "nibble " NIBBLE_VERSION);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Help of every command");
  app.footer("Try: nibble generate \"a red apple, fluent 3d\" --out apple.png\n'nibble COMMAND --help' explains a command.");
  Common common;
  std::function<void()> command;
  for (const Command& row : commands()) row.add(app, common, command);
  for (CLI::App* sub : app.get_subcommands({})) {
    sub->add_option("--threads", common.threads, "Threads to compute with [all cores]")->check(CLI::Range(1, 256));
    sub->add_flag("--json", common.json, "Print the result as JSON on stdout");
    sub->add_flag("--quiet", common.quiet, "No progress and no notes on stderr");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int status = app.exit(e, std::cout, std::cerr);
    return status == 0 ? 0 : error_info(ErrorCode::InvalidArgument).exit_status;
  }
  try {
    command();
    return 0;
  } catch (const Error& e) {
    return report(e, common.json);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorCode::OutOfMemory, "memory: exhausted; choose a smaller size or --precision bf16"), common.json);
  } catch (const std::exception& e) {
    return report(Error(ErrorCode::Internal, e.what()), common.json);
  }
}

}  // namespace
}  // namespace nibble::cli

int main(int argc, char** argv) { return nibble::cli::run(argc, argv); }
