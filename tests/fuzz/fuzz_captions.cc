// Every caption format that is one file; the items that come out are checked, given domains, chosen from and cleaned.
#include "data/caption_set.h"
#include "data/choose.h"
#include "data/formats.h"
#include "fuzz.h"

using namespace nibble;

namespace {

void use(const std::filesystem::path& file, const CaptionFormat& row) {
  CaptionSet set = row.read({file, ""});
  std::vector<bool> faulty(set.items.size());
  for (const Fault& fault : find_faults(set, true)) faulty[fault.item] = true;
  size_t index = 0;
  std::erase_if(set.items, [&](const CaptionItem& item) { return faulty[index++] || item.captions.empty(); });
  choose_prompts(set, {.order = PromptOrder::SvdQuant, .caption = CaptionChoice::Longest, .clean = true});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  for (const CaptionFormat& row : caption_formats()) {
    fuzz::run(data, size, [&](const std::filesystem::path& file) { use(file, row); });
  }
  return fuzz::run(data, size, [](const std::filesystem::path& file) {
    CaptionSet set{"prompts", file, {}, {{"a", "a.jpg", {"a dog"}, {}, ""}}};
    try {
      apply_coco_instances(set, file);
    } catch (const Error&) {
    }
    apply_keywords(set, file);
  });
}
