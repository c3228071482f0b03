#include "base/ranks.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "base/error.h"

namespace nibble {
namespace {

struct Launcher {
  const char *rank, *size, *local_size;
};
constexpr Launcher kLaunchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"},
                                   {"PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"},
                                   {"SLURM_PROCID", "SLURM_NTASKS", "SLURM_NTASKS_PER_NODE"}};

int number(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  int value = -1;
  const std::string_view view = text;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value < 0)
    fail(ErrorCode::InvalidArgument, "environment {}={}: want a whole number", name, text);
  return value;
}

}  // namespace

Ranks ranks_from_environment() {
  for (const Launcher& launcher : kLaunchers) {
    if (std::getenv(launcher.rank) == nullptr || std::getenv(launcher.size) == nullptr) continue;
    Ranks r{number(launcher.rank, 0), number(launcher.size, 1), 1};
    r.local_size = number(launcher.local_size, r.size);
    if (r.rank >= r.size || r.local_size < 1)
      fail(ErrorCode::InvalidArgument, "environment {}={}, {}={}: want a rank below the size", launcher.rank, r.rank, launcher.size, r.size);
    return r;
  }
  return {};
}

}  // namespace nibble
