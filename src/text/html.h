// Character references of HTML, as captions gathered from the web carry them.
#pragma once

#include <string>
#include <string_view>

namespace nibble {

// "&amp;", "&#38;" and "&#x26;" become "&": decimal and hexadecimal references, and the named ones of Latin-1,
// punctuation and common symbols. What is unknown stays. One pass, as Python's html.unescape for these names.
std::string unescape_html(std::string_view text);

}  // namespace nibble
