// What networks and measures say of pictures, kept in files of 64 pictures: a run that was stopped goes on with the
// next file, several processes share the files, and a set of any size is read back file by file in order, so that sums
// are the same bits however it was measured.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/ranks.h"
#include "tensor/tensor.h"

namespace nibble {

// Pictures in order, with what they are measured against.
struct PictureSet {
  std::string name;  // of its folder of files; of letters, digits and "-+._"
  std::vector<std::filesystem::path> pictures;
  std::vector<std::filesystem::path> references;  // of paired metrics, else empty
  std::vector<std::string> texts;                 // prompts, else empty

  int64_t count() const { return static_cast<int64_t>(pictures.size()); }
};

// F32 or F64 [n, width] of n pictures; a row depends on its own picture only.
using Measure = std::function<Tensor(const PictureSet& part)>;

struct MeasureSource {
  std::string name;                               // of files, and printed
  std::function<Measure(Context& context)> open;  // loads the network; called when the first part needs it
  std::vector<std::filesystem::path> files;       // of the network: where they change, pictures are measured anew
};

class Shards {
 public:
  // Files go below `folder`. The context must outlive it.
  Shards(Context& context, std::filesystem::path folder, Ranks ranks)
      : context_(context), folder_(std::move(folder)), ranks_(ranks) {}

  // Measures what is missing of this process's share, every ranks.size-th file; waits for pictures that other processes
  // make. Progress "SOURCE SET" in pictures; cancellable. Throws what the measure throws and Error{Io}; finished files
  // stay.
  void measure(const MeasureSource& source, const PictureSet& set) const;

  // Calls `use` with the rows of 64 pictures after 64, in order; waits for those of other processes. measure() comes
  // first.
  void read(const MeasureSource& source, const PictureSet& set, const std::function<void(const Tensor&)>& use) const;

 private:
  std::filesystem::path file_of(const MeasureSource& source, const PictureSet& set, int64_t first) const;

  Context& context_;
  std::filesystem::path folder_;
  Ranks ranks_;
};

// Returns when the file is there, which another process makes and renames into place. Throws Error{Cancelled}.
void wait_for(Context& context, const std::filesystem::path& file);

}  // namespace nibble
