// The readers behind the table of formats.h; use read_captions().
#pragma once

#include "data/formats.h"

namespace nibble {

CaptionSet read_coco2014(const ReadRequest& request);
CaptionSet read_coco2017(const ReadRequest& request);
bool is_coco2014(const std::filesystem::path& path);
bool is_coco2017(const std::filesystem::path& path);

CaptionSet read_karpathy(const ReadRequest& request);
bool is_karpathy(const std::filesystem::path& path);

CaptionSet read_mlperf(const ReadRequest& request);
bool is_mlperf(const std::filesystem::path& path);

CaptionSet read_mjhq(const ReadRequest& request);
bool is_mjhq(const std::filesystem::path& path);

CaptionSet read_dci(const ReadRequest& request);
CaptionSet read_sdci(const ReadRequest& request);
bool is_dci(const std::filesystem::path& path);
bool is_sdci(const std::filesystem::path& path);

CaptionSet read_parti(const ReadRequest& request);
bool is_parti(const std::filesystem::path& path);
CaptionSet read_drawbench(const ReadRequest& request);
bool is_drawbench(const std::filesystem::path& path);
CaptionSet read_geneval(const ReadRequest& request);
bool is_geneval(const std::filesystem::path& path);

CaptionSet read_flickr(const ReadRequest& request);
bool is_flickr(const std::filesystem::path& path);

CaptionSet read_metadata(const ReadRequest& request);
bool is_metadata(const std::filesystem::path& path);
CaptionSet read_captioned_folder(const ReadRequest& request);
bool is_captioned_folder(const std::filesystem::path& path);

CaptionSet read_yaml_prompts(const ReadRequest& request);
bool is_yaml_prompts(const std::filesystem::path& path);
CaptionSet read_prompt_list(const ReadRequest& request);
bool is_prompt_list(const std::filesystem::path& path);

CaptionSet read_emoji(const ReadRequest& request);
bool is_emoji(const std::filesystem::path& path);

}  // namespace nibble
