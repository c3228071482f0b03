#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "data/choose.h"
#include "data/formats.h"
#include "data/metadata.h"
#include "data/pictures.h"
#include "data/text_table.h"
#include "image/codec.h"

namespace nibble {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

class Readers : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / (std::string("nibble-data-") + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, std::string_view text) {
    fs::create_directories((folder_ / name).parent_path());
    write_file(folder_ / name, text);
    return folder_ / name;
  }
  void write_picture(const std::string& name) {
    fs::create_directories((folder_ / name).parent_path());
    write_png(folder_ / name, Image(2, 1, 3));
  }
  CaptionSet read(const std::string& format, const std::string& name = "", const std::string& split = "") {
    return read_captions(format, {folder_ / name, split});
  }
  // The message of the error of this code that reading throws.
  std::string error(ErrorCode code, const std::string& format, const std::string& name = "",
                    const std::string& split = "") {
    try {
      require_sound(read(format, name, split), false);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      return e.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }

  fs::path folder_;
};

#define EXPECT_HAS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

constexpr const char* kCoco = R"({"info": {"year": 2014}, "licenses": [{"id": 1}],
  "images": [{"id": 9, "file_name": "COCO_val2014_000000000009.jpg", "height": 1, "width": 2, "license": 1},
             {"id": 4, "file_name": "COCO_val2014_000000000004.jpg", "height": 1, "width": 2, "license": 1}],
  "annotations": [{"id": 1, "image_id": 4, "caption": "A bus."}, {"id": 2, "image_id": 9, "caption": "A dog."},
                  {"id": 3, "image_id": 4, "caption": "A red bus."}]})";

TEST_F(Readers, Coco) {
  write("annotations/captions_val2014.json", kCoco);
  write_picture("val2014/COCO_val2014_000000000009.jpg");
  for (const char* name : {"", "annotations/captions_val2014.json"}) {
    const CaptionSet set = read("", name);
    EXPECT_EQ(set.format, "coco2014");
    ASSERT_EQ(set.items.size(), 2u);
    EXPECT_EQ(set.items[0].name, "COCO_val2014_000000000009");
    EXPECT_EQ(set.items[1].captions, (Texts{"A bus.", "A red bus."}));
    EXPECT_EQ(set.items[1].split, "val");
    const auto faults = find_faults(set, true);
    ASSERT_EQ(faults.size(), 1u);
    EXPECT_EQ(faults[0].kind, FaultKind::NoPicture);
    EXPECT_EQ(PictureSource(set.pictures).read_rgb(set.items[0].picture).width, 2);
  }
  EXPECT_HAS(error(ErrorCode::NotFound, "coco2014", "", "train"), "captions_train2014.json");
}

TEST_F(Readers, Coco_with_faults) {
  write("captions_val2017.json", R"({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": []})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "item 1: want a caption, found none");
  write("captions_val2017.json",
        R"({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": [{"image_id": 2, "caption": "x"}]})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "annotations[0]: want an image_id of 'images', found 2");
  write("captions_val2017.json", R"({"images": [{"id": "1", "file_name": "1.jpg"}]})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "images[0]: want a whole number 'id', found string");
  write("captions_val2017.json", R"({"images": [7]})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "images[0]");
  write("captions_val2017.json", R"({"images": [{"id": 1, "file_name": "1.jp)");
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "not valid JSON");
  write("captions_val2017.json", "[1, 2]");
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "want a JSON object at the top");
  write("captions_val2017.json", std::string(100000, '['));
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "nested deeper");
  write("captions_val2017.json", R"({"images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "1.jpg"}],
    "annotations": [{"image_id": 1, "caption": "x"}]})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "coco2017"), "want names that differ");
}

TEST_F(Readers, Coco_super_categories) {
  const fs::path file = write("instances_val2014.json", R"({
    "images": [{"id": 4, "file_name": "COCO_val2014_000000000004.jpg"}, {"id": 9, "file_name": "COCO_val2014_000000000009.jpg"}],
    "annotations": [{"id": 1, "image_id": 4, "category_id": 6, "segmentation": [[1, 2, 3]], "bbox": [1, 2, 3, 4]},
                    {"id": 2, "image_id": 4, "category_id": 1, "segmentation": {"counts": [1], "size": [1, 2]}},
                    {"id": 3, "image_id": 4, "category_id": 1}],
    "categories": [{"supercategory": "person", "id": 1, "name": "person"}, {"supercategory": "vehicle", "id": 6, "name": "bus"}]})");
  write("captions_val2014.json", kCoco);
  CaptionSet set = read("coco2014");
  apply_coco_instances(set, file);
  EXPECT_TRUE(set.items[0].domains.empty());
  EXPECT_EQ(set.items[1].domains, (Texts{"person", "vehicle"}));
  EXPECT_THROW(apply_coco_instances(set, folder_ / "captions_val2014.json"), Error);
  for (CaptionItem& item : set.items) item.picture = "x" + item.picture;
  EXPECT_THROW(apply_coco_instances(set, file), Error);
}

TEST_F(Readers, Karpathy) {
  write("dataset_coco.json", R"({"dataset": "coco", "images": [
    {"filepath": "val2014", "filename": "a.jpg", "split": "test", "cocoid": 3, "sentences": [{"tokens": ["a"], "raw": "A."}, {"raw": "B."}]},
    {"filepath": "train2014", "filename": "b.jpg", "split": "restval", "sentences": [{"raw": "C."}]}]})");
  const CaptionSet set = read("", "", "test");
  ASSERT_EQ(set.items.size(), 1u);
  EXPECT_EQ(set.items[0].picture, "val2014/a.jpg");
  EXPECT_EQ(set.items[0].captions, (Texts{"A.", "B."}));
  EXPECT_HAS(error(ErrorCode::InvalidArgument, "", "", "dev"), "found only: restval, test");
}

TEST_F(Readers, Mjhq_keeps_the_order_of_the_file) {
  write("meta_data.json",
        R"({"ff": {"category": "people", "prompt": "p"}, "0a": {"category": "animals", "prompt": "q"}})");
  write_picture("mjhq30k_imgs/people/ff.jpg");
  const CaptionSet set = read("");
  ASSERT_EQ(set.items.size(), 2u);
  EXPECT_EQ(set.items[0].name, "ff");
  EXPECT_EQ(set.items[0].picture, "people/ff.jpg");
  EXPECT_EQ(set.items[1].domains, Texts{"animals"});
  EXPECT_TRUE(PictureSource(set.pictures).has("people/ff.jpg"));
  EXPECT_FALSE(PictureSource(set.pictures).has("../meta_data.json"));
}

TEST_F(Readers, Mjhq_with_faults) {
  write("meta_data.json", R"({"a": {"category": "x", "prompt": "p"}, "a": {"category": "x", "prompt": "q"}})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "mjhq"), "item a: want names that differ");
  write("meta_data.json", R"({"a": {"category": "x"}})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "mjhq"), "item a: want a caption");
  write("meta_data.json", R"({"a": {"prompt": "x"}})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "mjhq"), "a: want a string 'category', found nothing");
  write("meta_data.json", R"({"a": "x"})");
  EXPECT_HAS(error(ErrorCode::Corrupt, "mjhq"), "found string");
}

// A zip with stored entries: what PictureSource needs of it and no more.
std::string stored_zip(const std::string& name, const std::string& content, uint16_t method = 0) {
  const auto number = [](uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
    return out;
  };
  const std::string common = number(method, 2) + number(0, 8) + number(content.size(), 4) + number(content.size(), 4) +
                             number(name.size(), 2) + number(0, 2);
  const std::string local = number(0x04034b50, 4) + number(20, 2) + number(0, 2) + common + name + content;
  const std::string central =
      number(0x02014b50, 4) + number(20, 2) + number(20, 2) + number(0, 2) + common + std::string(14, '\0') + name;
  return local + central + number(0x06054b50, 4) + number(0, 4) + number(1, 2) + number(1, 2) +
         number(central.size(), 4) + number(local.size(), 4) + number(0, 2);
}

TEST_F(Readers, Pictures_in_a_zip) {
  write_picture("one.png");
  const std::string png = read_file(folder_ / "one.png");
  write("mjhq30k_imgs.zip", stored_zip("mjhq30k_imgs/art/k.jpg", png));
  write("meta_data.json", R"({"k": {"category": "art", "prompt": "p"}})");
  const CaptionSet set = read("mjhq");
  require_sound(set, true);
  EXPECT_EQ(PictureSource(set.pictures).bytes("art/k.jpg"), png);
  EXPECT_TRUE(PictureSource(set.pictures).file("art/k.jpg").empty());
  write("mjhq30k_imgs.zip", stored_zip("art/k.jpg", png, 8));
  EXPECT_THROW(PictureSource{set.pictures}, Error);
  write("mjhq30k_imgs.zip", "PK");
  EXPECT_THROW(PictureSource{set.pictures}, Error);
}

TEST_F(Readers, Dci_and_its_summaries) {
  const std::string root = "densely_captioned_images/";
  write(root + "annotations/sa_1.json",
        R"({"image": "sa_1.jpg", "short_caption": "A hall.", "extra_caption": "It is red.",
    "mask_data": {"0": {"label": "x"}}, "summaries": {"base": ["A red hall.", "Hall."], "0": ["x"]}})");
  write(root + "annotations/sa_2.json",
        R"({"image": "sa_2.jpg", "short_caption": "A pier.", "extra_caption": "", "summaries": {"base": "Pier."}})");
  write(root + "splits.json", R"({"train": ["sa_1.json"], "test": ["sa_2.json"]})");
  const CaptionSet dense = read("");
  ASSERT_EQ(dense.items.size(), 2u);
  EXPECT_EQ(dense.items[0].captions, (Texts{"A hall.", "A hall. It is red."}));
  EXPECT_EQ(dense.items[1].captions, (Texts{"A pier."}));
  const CaptionSet brief = read("sdci", "", "test");
  ASSERT_EQ(brief.items.size(), 1u);
  EXPECT_EQ(brief.items[0].captions, (Texts{"Pier."}));
  write(root + "annotations/sa_2.json", "{");
  EXPECT_HAS(error(ErrorCode::Corrupt, "dci"), "sa_2.json");
}

TEST_F(Readers, Sdci_yaml) {
  write("sDCI.yaml", "sa_1543972: 'A harbour''s\n  pier: boats.'\nsa_2: A tower.\n");
  const CaptionSet set = read("");
  EXPECT_EQ(set.format, "sdci");
  ASSERT_EQ(set.items.size(), 2u);
  EXPECT_EQ(set.items[0].captions, (Texts{"A harbour's pier: boats."}));
  EXPECT_EQ(set.items[0].picture, "sa_1543972.jpg");
}

TEST_F(Readers, Prompt_lists) {
  write("drawbench.csv", "Prompts,Category\r\nA red car.,Colors\r\n\"One \"\"dog\"\", two cats\",Counting\r\n");
  CaptionSet set = read("", "drawbench.csv");
  ASSERT_EQ(set.items.size(), 2u);
  EXPECT_EQ(set.items[1].captions, (Texts{"One \"dog\", two cats"}));
  EXPECT_EQ(set.items[1].domains, (Texts{"Counting"}));
  write("evaluation_metadata.jsonl",
        "{\"tag\": \"single_object\", \"include\": [{\"class\": \"bench\", \"count\": 1}], \"prompt\": \"a photo of a "
        "bench\"}\n");
  set = read("", "evaluation_metadata.jsonl");
  EXPECT_EQ(set.format, "geneval");
  EXPECT_EQ(set.items[0].captions, (Texts{"a photo of a bench"}));
  write("list.txt", "\xEF\xBB\xBF# title\na squid, noto\n\n a cow \r\n#1 fan\n");
  set = read("", "list.txt");
  ASSERT_EQ(set.items.size(), 3u);
  EXPECT_EQ(set.items[1].captions, (Texts{" a cow "}));
  EXPECT_EQ(set.items[2].name, "00002");
  write("bad.txt", "caf\xE9\n");
  EXPECT_HAS(error(ErrorCode::Corrupt, "prompts", "bad.txt"), "UTF-8");
  write("drawbench.csv", "Prompts,Category\n\"open,Colors\n");
  EXPECT_HAS(error(ErrorCode::Corrupt, "drawbench", "drawbench.csv"), "line 2: a quote opens");
  write("evaluation_metadata.jsonl", "{\"tag\": 3}\n");
  EXPECT_HAS(error(ErrorCode::Corrupt, "geneval", "evaluation_metadata.jsonl"), "line 1: want a string 'prompt'");
}

TEST_F(Readers, Flickr_in_its_four_forms) {
  const Texts want = {"A child, in pink.", "A girl."};
  write("captions.txt", "image,caption\n1.jpg,\"A child, in pink.\"\n1.jpg,A girl.\n2.jpg,A dog\n");
  EXPECT_EQ(read("").items[0].captions, want);
  write("captions.txt", "image_name,comment_number,comment\n1.jpg,0,\"A child, in pink.\"\n1.jpg,1, A girl.\n");
  EXPECT_EQ(read("").items[0].captions, want);
  write("captions.txt", "1.jpg#0\tA child, in pink.\n1.jpg#1\tA girl.\n");
  EXPECT_EQ(read("flickr8k").items[0].captions, want);
  fs::remove(folder_ / "captions.txt");
  write("results.csv", "image_name| comment_number| comment\n1.jpg| 0| A child, in pink.\n1.jpg| 4   A girl.\n");
  EXPECT_EQ(read("").items[0].captions, want);
  write("results.csv", "what is this\n");
  EXPECT_HAS(error(ErrorCode::Corrupt, "flickr"), "line 1: want");
  write("results.csv", "");
  EXPECT_HAS(error(ErrorCode::Corrupt, "flickr"), "line 1: want");
}

TEST_F(Readers, Captioned_folder) {
  write_picture("dogs/a.png");
  write("dogs/a.txt", "a dog\n\n the same dog \n");
  write_picture("b.JPG");
  const CaptionSet set = read("");
  EXPECT_EQ(set.format, "folder");
  ASSERT_EQ(set.items.size(), 2u);
  EXPECT_EQ(set.items[0].name, "b");
  EXPECT_TRUE(set.items[0].captions.empty());
  EXPECT_EQ(set.items[0].caption_file, folder_ / "b.txt");
  EXPECT_EQ(set.items[1].name, "dogs/a");
  EXPECT_EQ(set.items[1].captions, (Texts{"a dog", "the same dog"}));
  EXPECT_EQ(set.items[1].domains, (Texts{"dogs"}));
}

TEST_F(Readers, Metadata_is_read_as_it_is_written) {
  const MetadataRow row{.name = "n",
                        .file_name = "p/n.png",
                        .text = "a \"cat\"",
                        .split = "val",
                        .captions = {"a \"cat\"", "cat"},
                        .domains = {"animal"},
                        .seed = 5};
  write("metadata.jsonl",
        metadata_line(row) + "{\"file_name\": \"q.png\", \"text\": \"x\", \"category\": \"c\"}\n{\"text\": \"y\"}\n");
  const CaptionSet set = read("");
  ASSERT_EQ(set.items.size(), 3u);
  EXPECT_EQ(set.items[0].name, "n");
  EXPECT_EQ(set.items[0].captions, row.captions);
  EXPECT_EQ(set.items[0].domains, row.domains);
  EXPECT_EQ(set.items[0].split, "val");
  EXPECT_EQ(set.items[1].name, "q");
  EXPECT_EQ(set.items[1].domains, (Texts{"c"}));
  EXPECT_EQ(set.items[2].name, "00002");
  write("metadata.jsonl", "{\"text\": [1]}\n");
  EXPECT_HAS(error(ErrorCode::Corrupt, "metadata"), "line 1: want a string 'text', found array");
}

TEST_F(Readers, Keywords) {
  write("list.txt", "Two Dogs.\na hotdog\nGolden  Retriever!\nan ÉTUDE\n");
  CaptionSet set = read("prompts", "list.txt");
  apply_keywords(set, write("k.txt", "# domains\ndog: dog*, golden retriever\nmusic: étude\n"));
  EXPECT_EQ(set.items[0].domains, (Texts{"dog"}));
  EXPECT_TRUE(set.items[1].domains.empty());
  EXPECT_EQ(set.items[2].domains, (Texts{"dog"}));
  EXPECT_EQ(set.items[3].domains, (Texts{"music"}));
  EXPECT_THROW(apply_keywords(set, write("k.txt", "dog\n")), Error);
  EXPECT_THROW(apply_keywords(set, write("k.txt", "dog: ,\n")), Error);
  EXPECT_THROW(apply_keywords(set, write("k.txt", "\n")), Error);
}

TEST_F(Readers, Emoji) {
  const CaptionSet set = read_captions("emoji", {fs::path(NIBBLE_SOURCE_DIR) / "models/emoji", ""});
  EXPECT_EQ(set.items.size(), 15010u);
  require_sound(set, false);
  const CaptionSet held = read_captions("emoji", {fs::path(NIBBLE_SOURCE_DIR) / "models/emoji", "held-out"});
  EXPECT_EQ(held.items.size(), 348u + 322 + 180 + 17);  // the README of training/builtin
  const auto counts = count_domains(set);
  EXPECT_TRUE(std::any_of(counts.begin(), counts.end(),
                          [](const DomainCount& row) { return row.name == "animal" && row.items == 698; }));
  write("captions.tsv", "name\tstyle\tgroup\tsplit\tcaption\ttags\na\tnoto\tfood\tmaybe\tan apple\t\n");
  EXPECT_HAS(error(ErrorCode::Corrupt, "emoji"), "line 2");
}

TEST_F(Readers, Names_of_data_sets) {
  EXPECT_STREQ(caption_format("COCO Captions 2014").name, "coco2014");
  EXPECT_STREQ(caption_format("mjhq-30k").name, "mjhq");
  const auto message = [](const char* name) -> std::string {
    try {
      caption_format(name);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::NotFound);
      return e.what();
    }
    return "no error";
  };
  for (const char* name : {"coco2024", "COCO Captions 2024", "coco-2024"}) {
    EXPECT_HAS(message(name), "no release of 2024");
    EXPECT_HAS(message(name), "--dataset coco2014");
  }
  EXPECT_HAS(message("mjhk"), "did you mean mjhq?");
  EXPECT_HAS(message("imagenet"), "want one of coco2014");
  EXPECT_HAS(error(ErrorCode::NotFound, "mjhq", "nowhere"), "meta_data.json");
  EXPECT_HAS(error(ErrorCode::Io, "mjhq", std::string(5000, 'x')), "cannot be read");
  write("thing.bin", "x");
  EXPECT_HAS(error(ErrorCode::InvalidArgument, "", "thing.bin"), "--dataset");
}

}  // namespace
}  // namespace nibble
