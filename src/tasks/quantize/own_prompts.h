// Prompts to calibrate on that come with the program; 128 of each kind.
#pragma once

#include <string>
#include <vector>

namespace nibble {

enum class PromptList { General, Emoji };  // Emoji: names and styles that the built-in model knows

std::vector<std::string> own_prompts(PromptList list);

}  // namespace nibble
