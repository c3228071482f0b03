// A command of the program: one file with its options and its run, one row in commands.cc.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/json.h"

namespace nibble::cli {

// Options that every command has.
struct Common {
  int threads = 0;    // 0: all cores
  bool json = false;  // results as JSON on stdout
  bool quiet = false; // no progress, no notes
};

// Adds the command to the program and fills `run` with what it does once the line is parsed.
using AddCommand = void (*)(CLI::App& app, const Common& common, std::function<void()>& run);

struct Command {
  const char* name;
  AddCommand add;
};
const std::vector<Command>& commands();

// A context whose progress and log go to stderr, and which Ctrl-C cancels.
std::unique_ptr<Context> make_context(const Common& common);

// "4GB", "900MB", "2048" (bytes) -> bytes. Throws Error{InvalidArgument}.
size_t parse_bytes(const std::string& text);

void print_json(const Json& json);  // one document on stdout

}  // namespace nibble::cli
