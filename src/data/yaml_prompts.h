// Lists "name: prompt" in the part of YAML that PyYAML writes them in (qdiff.yaml, sDCI.yaml).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace nibble {

struct YamlPrompt {
  std::string name, text;
};

// One mapping at the top; names and prompts are plain, 'single-quoted' or "double-quoted" scalars, folded over indented
// lines. Comments, empty lines and the marks --- and ... are passed over. Throws Error{Corrupt} with the line for
// anything else (lists, nested mappings, block scalars, anchors).
std::vector<YamlPrompt> parse_yaml_prompts(std::string_view text, const std::string& what);

}  // namespace nibble
