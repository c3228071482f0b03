// Unicode text as tokenizers need it. The one place that uses utf8proc (Unicode 15).
#pragma once

#include <string>
#include <string_view>

namespace nibble {

// Code points of UTF-8 `text`; each byte that is not part of a valid sequence becomes U+FFFD.
std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view text);

// Normalization form C.
std::u32string to_nfc(std::u32string_view text);

// Canonical decomposition, form D.
std::u32string to_nfd(std::u32string_view text);

// Full lower-case mapping of every character by itself: no language rules, no final sigma.
std::u32string to_lower(std::u32string_view text);

bool is_letter(char32_t c);  // general category L*
bool is_number(char32_t c);  // general category N*
bool is_space(char32_t c);   // property White_Space
bool is_punctuation(char32_t c);      // general category P*
bool is_nonspacing_mark(char32_t c);  // general category Mn
bool is_space_separator(char32_t c);  // general category Zs
bool is_other(char32_t c);            // general category C*: controls, formats, surrogates, private, unassigned

}  // namespace nibble
