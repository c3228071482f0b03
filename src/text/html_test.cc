#include "text/html.h"

#include <gtest/gtest.h>

#include "text/clip_tokenizer.h"

namespace nibble {
namespace {

TEST(Html, References_become_characters_and_the_rest_stays) {
  EXPECT_EQ(unescape_html("a &lt;b&gt; &quot;c&quot; &#39;d&#x27; &eacute;&yuml;&nbsp;&hellip;"),
            "a <b> \"c\" 'd' \xC3\xA9\xC3\xBF\xC2\xA0\xE2\x80\xA6");
  EXPECT_EQ(unescape_html("AT&T & co; &unknown; &; &#; &#xZ; &"), "AT&T & co; &unknown; &; &#; &#xZ; &");
  EXPECT_EQ(unescape_html("&amp;amp;"), "&amp;");
  EXPECT_EQ(unescape_html("&#0;&#xD800;&#x110000;"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(unescape_html(""), "");
}

// OpenAI's tokenizer unescapes before it splits.
TEST(Html, Unescaped_caption_has_openais_ids) {
  const std::vector<int32_t> want = {585, 568, 273, 271, 273, 275, 261, 275, 268, 2010, 256};
  EXPECT_EQ(ClipTokenizer::packaged().encode(unescape_html("it's 2024 &amp; 4-bit!")), want);
}

}  // namespace
}  // namespace nibble
