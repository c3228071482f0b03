// In which arithmetic attention multiplies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nibble {

enum class AttentionForm : uint8_t {
  Float,       // both products as the tensors are stored
  Int8Scores,  // queries and keys as bytes, one scale a token; keys less their mean (SageAttention, Zhang et al.
               // 2025, 3.2)
  Int8,        // also weights and values as bytes: weights of 1 / 255, one scale a channel of the values
};

struct AttentionFormRow {
  AttentionForm form;
  std::string_view name;
};

inline constexpr AttentionFormRow kAttentionForms[] = {
    {AttentionForm::Float, "float"}, {AttentionForm::Int8Scores, "int8"}, {AttentionForm::Int8, "int8-values"}};

constexpr std::string_view to_string(AttentionForm form) {
  for (const AttentionFormRow& row : kAttentionForms)
    if (row.form == form) return row.name;
  return {};
}

constexpr std::optional<AttentionForm> attention_form_from_name(std::string_view name) {
  for (const AttentionFormRow& row : kAttentionForms)
    if (row.name == name) return row.form;
  return std::nullopt;
}

inline std::vector<std::string> attention_form_names() {
  std::vector<std::string> names;
  for (const AttentionFormRow& row : kAttentionForms) names.emplace_back(row.name);
  return names;
}

}  // namespace nibble
