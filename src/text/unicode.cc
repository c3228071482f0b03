#include "text/unicode.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "base/check.h"

namespace nibble {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kCapitalIWithDot = 0x130;  // the only character whose lower case is two characters
constexpr char32_t kCombiningDotAbove = 0x307;

const utf8proc_uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const utf8proc_uint8_t*>(text.data());
}

std::u32string normalized(std::u32string_view text, utf8proc_option_t form) {
  const std::string utf8 = encode_utf8(text);
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t count = utf8proc_map(bytes_of(utf8), static_cast<utf8proc_ssize_t>(utf8.size()), &made,
                                              static_cast<utf8proc_option_t>(UTF8PROC_STABLE | form));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(made, &std::free);
  if (count < 0) fail(ErrorCode::InvalidArgument, "text: cannot be normalized: {}", utf8proc_errmsg(count));
  return decode_utf8({reinterpret_cast<const char*>(made), static_cast<size_t>(count)});
}

// The first letter of the category's two-letter name, as utf8proc spells it.
char category_group(char32_t c) { return utf8proc_category_string(static_cast<utf8proc_int32_t>(c))[0]; }

}  // namespace

std::u32string decode_utf8(std::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  while (!text.empty()) {
    utf8proc_int32_t c = 0;
    const utf8proc_ssize_t used = utf8proc_iterate(bytes_of(text), static_cast<utf8proc_ssize_t>(text.size()), &c);
    out.push_back(used > 0 ? static_cast<char32_t>(c) : kReplacement);
    text.remove_prefix(used > 0 ? static_cast<size_t>(used) : 1);
  }
  return out;
}

std::string encode_utf8(std::u32string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    utf8proc_uint8_t buffer[4];
    const utf8proc_ssize_t count = utf8proc_encode_char(static_cast<utf8proc_int32_t>(c), buffer);
    out.append(reinterpret_cast<const char*>(buffer), static_cast<size_t>(count));
  }
  return out;
}

std::u32string to_nfc(std::u32string_view text) { return normalized(text, UTF8PROC_COMPOSE); }

std::u32string to_nfd(std::u32string_view text) { return normalized(text, UTF8PROC_DECOMPOSE); }

std::u32string to_lower(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (c == kCapitalIWithDot) {
      out += {U'i', kCombiningDotAbove};
    } else {
      out.push_back(static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
    }
  }
  return out;
}

bool is_letter(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return true;
    default:
      return false;
  }
}

bool is_number(char32_t c) {
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return true;
    default:
      return false;
  }
}

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_punctuation(char32_t c) { return category_group(c) == 'P'; }
bool is_nonspacing_mark(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_MN; }
bool is_space_separator(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)) == UTF8PROC_CATEGORY_ZS; }
bool is_other(char32_t c) { return category_group(c) == 'C'; }

}  // namespace nibble
