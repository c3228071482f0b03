#include "data/formats.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "data/readers.h"
#include "data/text_table.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;

// "COCO Captions 2014" -> "cococaptions2014"
std::string plain(std::string_view name) {
  std::string out;
  for (const char c : ascii_lower(name)) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) out += c;
  }
  return out;
}

bool is_named(const CaptionFormat& row, const std::string& wanted) {
  if (plain(row.name) == wanted) return true;
  for (const TableRow& names : parse_table(row.other_names, ' ', false, row.name)) {
    for (const std::string& name : names.cells) {
      if (!name.empty() && plain(name) == wanted) return true;
    }
  }
  return false;
}

size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

std::string all_names() {
  std::string text;
  for (const CaptionFormat& row : caption_formats()) text += (text.empty() ? "" : ", ") + std::string(row.name);
  return text;
}

[[noreturn]] void fail_unknown(std::string_view name, const std::string& wanted) {
  const size_t year = wanted.find("20");
  if (wanted.starts_with("coco") && year != std::string::npos && wanted.size() == year + 4) {
    fail(ErrorCode::NotFound,
         "data set {}: COCO Captions has no release of {}; there are 2014 and 2017. Papers that name 2024 (SVDQuant) "
         "used the captions of 2014: --dataset coco2014",
         name, wanted.substr(year));
  }
  const CaptionFormat* nearest = nullptr;
  size_t best = 4;
  for (const CaptionFormat& row : caption_formats()) {
    if (const size_t distance = edit_distance(wanted, plain(row.name)); distance < best) {
      best = distance;
      nearest = &row;
    }
  }
  fail(ErrorCode::NotFound, "data set {}: want one of {}{}", name, all_names(),
       nearest ? format("; did you mean {}?", nearest->name) : "");
}

void keep_split(CaptionSet& set, const std::string& split) {
  std::set<std::string> splits;
  for (const CaptionItem& item : set.items) splits.insert(item.split);
  if (!splits.contains(split)) {
    std::string known;
    for (const std::string& name : splits) known += (known.empty() ? "" : ", ") + (name.empty() ? "none" : name);
    fail(ErrorCode::InvalidArgument, "split {} of {}: want one of the set's splits, found only: {}", split,
         set.source.string(), known.empty() ? "none" : known);
  }
  std::erase_if(set.items, [&](const CaptionItem& item) { return item.split != split; });
}

const CaptionFormat& recognise(const fs::path& path) {
  for (const CaptionFormat& row : caption_formats()) {
    if (row.recognises(path)) return row;
  }
  fail(ErrorCode::InvalidArgument,
       "data set {}: its layout is not known by its name; say which with --dataset, one of {}", path.string(),
       all_names());
}

}  // namespace

const std::vector<CaptionFormat>& caption_formats() {
  static const std::vector<CaptionFormat> rows = {
      {"coco2014", "coco mscoco cococaptions cococaptions2014", "COCO captions of 2014",
       "annotations/captions_val2014.json or its folder; pictures in val2014/", is_coco2014, read_coco2014},
      {"coco2017", "cococaptions2017", "COCO captions of 2017",
       "annotations/captions_val2017.json or its folder; pictures in val2017/", is_coco2017, read_coco2017},
      {"karpathy", "cocokarpathy", "Karpathy's splits of COCO", "dataset_coco.json", is_karpathy, read_karpathy},
      {"mlperf", "mlperfcoco captionssource", "MLPerf's 5,000 captions of COCO 2014", "captions_source.tsv", is_mlperf,
       read_mlperf},
      {"mjhq", "mjhq30k", "MJHQ-30K, ten categories",
       "meta_data.json or its folder; pictures <category>/<key>.jpg, or mjhq30k_imgs.zip", is_mjhq, read_mjhq},
      {"sdci", "summariseddci summarizeddci", "summarised DCI", "sDCI.yaml (with <name>.jpg), or the folder of DCI",
       is_sdci, read_sdci},
      {"dci", "denselycaptionedimages", "Densely Captioned Images", "the folder densely_captioned_images", is_dci,
       read_dci},
      {"partiprompts", "parti", "PartiPrompts, 12 categories", "PartiPrompts.tsv", is_parti, read_parti},
      {"drawbench", "", "DrawBench, 11 categories", "CSV with the columns Prompts and Category", is_drawbench,
       read_drawbench},
      {"geneval", "", "GenEval, 6 tags", "evaluation_metadata.jsonl", is_geneval, read_geneval},
      {"flickr", "flickr8k flickr30k", "Flickr8k or Flickr30k",
       "captions.txt, results.csv or a token file; pictures in Images/ or beside it", is_flickr, read_flickr},
      {"emoji", "",
       "the built-in model's captions; splits train, name, style, tone, attribute, held-out (all but train)",
       "captions.tsv; pictures/<name>.png where drawn", is_emoji, read_emoji},
      {"metadata", "metadatajsonl imagefolder", "JSON lines with file_name and text, as this command writes them",
       "metadata.jsonl or its folder", is_metadata, read_metadata},
      {"yaml", "qdiff", "names and prompts in YAML", "FILE.yaml with lines 'name: prompt'", is_yaml_prompts,
       read_yaml_prompts},
      {"prompts", "text txt", "prompts alone", "FILE.txt, a prompt a line; lines that begin with '# ' are left out",
       is_prompt_list, read_prompt_list},
      {"folder", "", "pictures with captions beside them",
       "folder of NAME.png and NAME.txt; its folders are the domains", is_captioned_folder, read_captioned_folder},
  };
  return rows;
}

const CaptionFormat& caption_format(std::string_view name) {
  const std::string wanted = plain(name);
  for (const CaptionFormat& row : caption_formats()) {
    if (is_named(row, wanted)) return row;
  }
  fail_unknown(name, wanted);
}

CaptionSet read_captions(std::string_view format_name, const ReadRequest& request) {
  const CaptionFormat* row = format_name.empty() ? nullptr : &caption_format(format_name);
  try {
    if (!fs::exists(request.path)) {
      fail(ErrorCode::NotFound, "data set{}{}: want a file or folder at {}, found nothing{}{}", row ? " " : "",
           row ? row->name : "", request.path.string(), row ? "; it is laid out as " : "", row ? row->layout : "");
    }
    if (row == nullptr) row = &recognise(request.path);
    CaptionSet set = row->read(request);
    if (!request.split.empty()) keep_split(set, request.split);
    return set;
  } catch (const fs::filesystem_error& e) {
    fail(ErrorCode::Io, "data set {}: cannot be read: {}", request.path.string(), e.code().message());
  }
}

}  // namespace nibble
