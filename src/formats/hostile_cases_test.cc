// The hand-made part of the hostile files; hostile_test.cc opens them.
#include "formats/hostile_files.h"

namespace nibble::hostile {
namespace {

void add(std::vector<File>& files, const std::string& kind, const std::string& extension, std::string bytes) {
  files.push_back(
      {format("{} #{}", kind, files.size()), format("{}{}{}", kind, files.size(), extension), std::move(bytes)});
}

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return format(R"({{"a":{{"dtype":{},"shape":{},"data_offsets":{}}}}})", dtype, shape, offsets);
}

}  // namespace

std::vector<File> safetensors_files() {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  std::vector<std::pair<std::string, size_t>> headers;
  for (const char* shape : {"[-2]",
                            "[2.0]",
                            "[\"2\"]",
                            "[null]",
                            "[true]",
                            "[NaN]",
                            "[1e400]",
                            "[Infinity]",
                            "2",
                            "{}",
                            "[[2]]",
                            "[3]",
                            "[1]",
                            "[]",
                            "[9223372036854775807]",
                            "[18446744073709551615]",
                            "[99999999999999999999999]",
                            "[4611686018427387904,4]",
                            "[4294967296,4294967296]",
                            "[0,9223372036854775807,9223372036854775807]",
                            "[1,1,1,1,1,1,2]",
                            "[2147483648,2147483648,2147483648]",
                            "[2",
                            "[2,]",
                            "[0x2]",
                            "[02]"})
    headers.emplace_back(one("\"F32\"", shape, "[0,8]"), 8);
  for (const char* offsets : {"[0,4]", "[0,12]", "[8,0]", "[4,12]", "[0,-8]", "[-8,0]", "[0]", "[]", "[0,8,8]",
                              "[0.0,8.0]", "8", "[\"0\",\"8\"]", "[18446744073709551608,18446744073709551615]",
                              "[18446744073709551615,7]", "null", "[0,18446744073709551616]"})
    headers.emplace_back(one("\"F32\"", "[2]", offsets), 8);
  for (const char* dtype :
       {"\"F8_E4M3\"", "\"f32\"", "\"F33\"", "\"\"", "32", "null", "[\"F32\"]", "\"C64\"", "\"F4\"", "\"F64\""})
    headers.emplace_back(one(dtype, "[2]", "[0,8]"), 8);
  for (const std::string& header : std::vector<std::string>{
           "{" + a + "," + a + "}",
           "[" + a + "]",
           "{\"a\":1}",
           "{\"a\":null}",
           "{\"a\":[]}",
           "{\"a\":{}}",
           "{\"a\":\"F32\"}",
           "{" + a,
           "{" + a + "}}",
           "{" + a + "} x",
           "{" + a + ",}",
           "{" + a + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
           "{" + a + ",\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
           "{" + a + ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}",
           R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
           R"({"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})",
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":{}}})",
           R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})",
           R"({"a":{"shape":[2],"data_offsets":[0,8]}})",
           R"({"a":{"dtype":"F32","data_offsets":[0,8]}})",
           R"({"a":{"dtype":"F32","shape":[2]}})",
           "{\"__metadata__\":{\"x\":1}," + a + "}",
           "{\"__metadata__\":[]," + a + "}",
           "{\"__metadata__\":\"x\"," + a + "}",
           "{\"__metadata__\":{\"x\":{}}," + a + "}",
           "{\"__metadata__\":{\"x\":\"1\",\"x\":\"2\"}," + a + "}",
           "{\"__metadata__\":{},\"__metadata__\":{}," + a + "}",
           "{\"\xff\xfe\":{}}",
           std::string("{\"a\0b", 5),
           times("{\"a\":", 300'000),
           "{\"a\":" + times("[", 1'000'000),
           "{\"a\":{\"dtype\":\"F32\",\"shape\":[" + times("0,", 1'000'000) + "0],\"data_offsets\":[0,8]}}",
           "{\"a\":\"" + times("x", 4'000'000),
           "/*c*/{" + a + "}",
           " {" + a + "}",
           ""})
    headers.emplace_back(header, 8);
  headers.emplace_back("{" + a + "}", 7);
  headers.emplace_back("{" + a + "}", 9);
  headers.emplace_back("{}", 1);
  std::vector<File> files;
  for (const auto& [header, bytes] : headers) add(files, "safetensors", ".safetensors", safetensors(header, bytes));
  const std::string valid = "{" + a + "}";
  for (const uint64_t length : {uint64_t{0}, uint64_t{1}, valid.size() - 1, valid.size() + 9, uint64_t{99'999'999},
                                uint64_t{1} << 40, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7})
    add(files, "length", ".safetensors", little(length, 8) + valid + std::string(8, '\0'));
  std::string many = "{";
  for (int i = 0; i < 250'000; ++i) many += format(R"("{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},)", i);
  many.back() = '}';
  add(files, "many", ".safetensors", safetensors(many, 0));
  return files;
}

std::vector<File> pickle_files() {
  std::vector<std::string> pickles;
  for (const TensorText& t :
       std::vector<TensorText>{{.key = "1"},
                               {.key = ""},
                               {.key = "../0"},
                               {.count = 5},
                               {.count = -4},
                               {.count = INT64_MAX},
                               {.offset = 1},
                               {.offset = -1},
                               {.offset = INT64_MAX},
                               {.shape = {3, 2}},
                               {.shape = {2, 2}, .strides = {3, 1}},
                               {.strides = {-2, 1}},
                               {.strides = {2}},
                               {.strides = {}},
                               {.shape = {INT64_MAX, 2}},
                               {.shape = {-1, 2}},
                               {.shape = {1 << 20, 1 << 20}, .strides = {0, 0}},
                               {.shape = {5}, .strides = {0}},
                               {.shape = {INT64_MAX}, .strides = {0}},
                               {.shape = {2, 2}, .strides = {INT64_MAX, INT64_MAX}},
                               {.shape = {2}, .strides = {INT64_MAX}},
                               {.shape = {1, 1, 1, 1, 1, 1, 4}, .strides = {4, 4, 4, 4, 4, 4, 1}},
                               {.shape = std::vector<int64_t>(40, 1), .strides = std::vector<int64_t>(40, 1)},
                               {.storage = "torch\nQInt8Storage\n"},
                               {.storage = "torch\nUntypedStorage\n"},
                               {.storage = "torch\nDoubleStorage\n"},
                               {.storage = "collections\nOrderedDict\n"},
                               {.storage = "os\nsystem\n"},
                               {.shape = {0, INT64_MAX, INT64_MAX}, .strides = {1, 1, 1}}})
    pickles.push_back(dictionary(tensor(t)));
  const std::string good = tensor({});
  const std::string build = "ctorch._utils\n_rebuild_tensor_v2\n";
  for (const std::string& body :
       std::vector<std::string>{"cos\nsystem\n(" + text("true") + "tR",
                                "cposix\nsystem\n(" + text("true") + "tR",
                                "cbuiltins\neval\n(" + text("1") + "tR",
                                "c__builtin__\nexec\n(" + text("1") + "tR",
                                "cbuiltins\ngetattr\n(" + text("a") + text("b") + "tR",
                                "csubprocess\nPopen\n)\x81",
                                text("os") + text("system") + "\x93(" + text("true") + "tR",
                                "ctorch.nn.modules.linear\nLinear\n)\x81}b",
                                "ctorch.storage\n_load_from_bytes\n(" + text("x") + "tR",
                                "ctorch\nload\n(" + text("x") + "tR",
                                "(S'x'\nios\nsystem\n",
                                "i\nos\n",
                                "R",
                                ")R",
                                "))R",
                                "N)R",
                                text("x") + ")R",
                                "c__torch__\nA\n)\x81K\x01" "b",
                                "c__torch__\nA\n)\x81(K\x01lb",
                                "c__torch__\nA\n)\x81}K\x01K\x02sb}b",
                                "c__torch__\nA\n)\x81q\x01h\x01" "b",
                                "c__torch__\nA\nb",
                                build + ")R",
                                build + "]R",
                                build + "(NNNNtR",
                                build + "(K\x01K\x01))tR",
                                "t",
                                "u",
                                "e",
                                "a",
                                "s",
                                "}s",
                                "}(u(u",
                                "}(" + text("a") + "u",
                                "](",
                                "0",
                                "1",
                                "2",
                                "h\x05",
                                "j" + little(0xffffffff, 4),
                                "q\x01",
                                "\x94",
                                "b",
                                "}b",
                                "Q",
                                "NQ",
                                ")Q",
                                "(" + text("storage") + "NNNNtQ",
                                "\x93",
                                "NN\x93",
                                "\x85",
                                "N\x86",
                                "\x87",
                                "X" + little(0xffffffff, 4) + "a",
                                "\x8d" + little(~uint64_t{0}, 8) + "a",
                                "\x8e" + little(uint64_t{1} << 62, 8) + "a",
                                "U\xff"
                                "a",
                                "B" + little(1 << 30, 4),
                                "\x8b" + little(0x7fffffff, 4),
                                "\x8a\xff"
                                "1",
                                "Ix\n",
                                "I99999999999999999999\n",
                                "L1",
                                "I1",
                                "c",
                                "ctorch",
                                "ctorch\n",
                                "F1.5\n",
                                "P0\n",
                                "\xff",
                                "\x82\x01",
                                std::string(1, '\0'),
                                times("(", 1'000'000),
                                times("]", 3'000'000),
                                "]" + times("q\x01]h\x01"
                                            "a",
                                            100'000),
                                times("K\x01\x85", 100),
                                times("]", 5000) + times("a", 4999),
                                "]q\x01h\x01"
                                "a",
                                "}q\x01(" + text("a") + "h\x01u",
                                "]q\x01(h\x01h\x01h\x01h\x01"
                                "e",
                                ")",
                                "N",
                                "]",
                                "}",
                                text("just a text"),
                                "K\x05",
                                "}(" + text("a") + good + text("a") + good + "u",
                                "}(" + text("a.b") + good + text("a") + "}(" + text("b") + good + "uu",
                                "}(" + text(times("k", 2000)) + good + "u",
                                "]" + times("(" + text("x") + "l", 20'000)})
    pickles.push_back(pickle(body));
  // A memo bomb: every level holds the one below twice, 2^60 leaves in 400 bytes; and one that widens by 64.
  std::string bomb = "]q" + std::string(1, '\0'), wide = bomb;
  for (int i = 0; i < 60; ++i)
    bomb += "](h" + std::string(1, static_cast<char>(i)) + "h" + std::string(1, static_cast<char>(i)) + "eq" +
            std::string(1, static_cast<char>(i + 1));
  for (int i = 0; i < 20; ++i)
    wide +=
        "](" + times("h" + std::string(1, static_cast<char>(i)), 64) + "eq" + std::string(1, static_cast<char>(i + 1));
  pickles.push_back(pickle(bomb));
  pickles.push_back(pickle(wide));
  std::string tensors = build +
                        "q\x01"
                        "0((" +
                        text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") +
                        "K\x04tQK\x00(K\x04t(K\x01t\x89}tq\x02"
                        "0](";
  pickles.push_back(pickle(tensors + times("h\x01h\x02R", 300'000) + "e"));
  for (const char* cut : {"", "\x80", "\x80\x02", "\x80\x02}"}) pickles.push_back(cut);
  std::vector<File> files;
  for (const std::string& bytes : pickles) add(files, "pickle", ".pth", torch_zip(bytes));
  const std::string magic("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.", 21);
  const std::string info = pickle("}"), keys = pickle("](" + text("0") + "e"), object = dictionary(good);
  for (const std::string& bytes :
       {magic, magic + info, magic + info + object, magic + info + object + keys,
        magic + info + object + keys + little(4, 8),
        magic + info + object + keys + little(~uint64_t{0}, 8) + std::string(16, '\1'),
        magic + info + object + keys + little(3, 8) + std::string(12, '\1'),
        magic + info + object + pickle("](" + text("9") + "e") + little(4, 8),
        magic + info + object + pickle("]") + std::string(16, '\1'), magic + info + object + pickle("K\x01"),
        std::string("\x80\x02}."), magic.substr(0, 20) + "x", magic + object + info})
    add(files, "legacy", ".pth", bytes);
  return files;
}

std::vector<File> zip_files() {
  const ZipEntry data{"a/data.pkl", dictionary(tensor({}))}, storage{"a/data/0", std::string(16, '\1')};
  std::vector<File> files;
  const auto with = [&](auto change) {
    ZipEntry entry = storage;
    change(entry);
    add(files, "zip", ".pth", zip({data, entry}));
  };
  with([](ZipEntry& e) { e.method = 8; });
  with([](ZipEntry& e) { e.method = 99; });
  with([](ZipEntry& e) { e.flags = 1; });
  for (const int64_t more : {int64_t{-1}, int64_t{1}, int64_t{1} << 20, int64_t{0xffffff00}}) {
    with([&](ZipEntry& e) { e.stored_more = more; });
    with([&](ZipEntry& e) { e.size_more = more; });
    with([&](ZipEntry& e) { e.stored_more = e.size_more = more; });
    with([&](ZipEntry& e) { e.offset_more = more; });
  }
  with([](ZipEntry& e) { e.local_name = "a/data/1"; });
  with([](ZipEntry& e) { e.name = "a/data.pkl"; });
  with([](ZipEntry& e) { e.name = "b/data.pkl"; });
  with([](ZipEntry& e) { e.name = "a/constants.pkl"; });
  with([](ZipEntry& e) { e.name = "a/byteorder", e.bytes = "big"; });
  // zip64 lies: sizes of all ones with no, a short and a huge extra field.
  const int64_t to_ones = int64_t{0xffffffff} - 16;
  for (const std::string& extra :
       {std::string(), little(1, 2) + little(4, 2) + little(16, 4), little(1, 2) + little(8, 2) + little(16, 8),
        little(1, 2) + little(16, 2) + little(~uint64_t{0}, 8) + little(~uint64_t{0}, 8),
        little(1, 2) + little(0xffff, 2),
        little(1, 2) + little(16, 2) + little(uint64_t{1} << 40, 8) + little(uint64_t{1} << 40, 8),
        little(2, 2) + little(900, 2)})
    with([&](ZipEntry& e) { e.stored_more = e.size_more = to_ones, e.extra = extra; });
  for (const ZipLies& lies : std::vector<ZipLies>{
           {.entries = -1},
           {.entries = 1},
           {.entries = 60'000},
           {.directory_bytes = 1},
           {.directory_bytes = -1},
           {.directory_bytes = 1 << 30},
           {.directory_offset = 1},
           {.directory_offset = -1},
           {.directory_offset = 1 << 30},
           {.after_end = "x"},
           {.comment = 5},
           {.all_ones = true},
           {.before_end = std::string("PK\x06\x07", 4) + little(0, 16), .all_ones = true},
           {.before_end = std::string("PK\x06\x07", 4) + little(0, 4) + little(~uint64_t{0}, 8) + little(0, 4),
           .all_ones = true},
           {.before_end = std::string("PK\x06\x06", 4) + little(44, 8) + std::string(12, '\0') +
                          little(~uint64_t{0}, 8) + little(~uint64_t{0}, 8) + little(~uint64_t{0}, 8) + little(0, 8) +
                          std::string("PK\x06\x07", 4) + little(0, 4) + little(500, 8) + little(0, 4),
           .all_ones = true}})
    add(files, "directory", ".pth", zip({data, storage}, lies));
  add(files, "zip", ".pth", zip({}));
  add(files, "zip", ".pth", zip({storage}));
  add(files, "zip", ".pth", zip({data}));
  add(files, "zip", ".pth", zip({{"word/document.xml", "<x/>"}}));
  add(files, "zip", ".pth", "PK\x03\x04");
  add(files, "zip", ".pth", "PK\x03\x04" + std::string(100'000, '\0'));
  add(files, "zip", ".pth", "PK\x03\x04" + times("PK\x05\x06", 200'000));
  return files;
}

std::vector<File> npy_files() {
  std::vector<File> files;
  const auto header = [&](const std::string& descr, const std::string& order, const std::string& shape) {
    add(files, "npy", ".npy",
        npy(format("{{'descr': {}, 'fortran_order': {}, 'shape': {}, }}\n", descr, order, shape), 16));
  };
  for (const char* descr :
       {"'>f4'", "'<f16'", "'<c8'", "'|O'", "'<U4'", "[('x', '<f4')]", "''", "None", "'<f4", "<f4", "'<f4\0'"})
    header(descr, "False", "(4,)");
  for (const char* order : {"Maybe", "1", "'True'", "", "None"}) header("'<f4'", order, "(4,)");
  for (const char* shape :
       {"(5,)", "(3,)", "()", "(-4,)", "(4.0,)", "('4',)", "(99999999999999999999,)", "(9223372036854775807,)",
        "(4294967296, 4294967296)", "(1,1,1,1,1,1,4)", "4", "[4]", "(4,", "(,)", "((4,),)", "(0x4,)", "(4 4)", "None"})
    header("'<f4'", "False", shape);
  for (const std::string& text :
       {std::string(), std::string("{}"), std::string("{'descr': '<f4'}"),
        std::string("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (4,)}"), std::string("{'descr'"),
        std::string("{'descr':"), std::string("{'descr': '<f4', 'fortran_order': False, 'shape':"), times("{", 60'000),
        std::string(1000, '\0')})
    add(files, "npy", ".npy", npy(text, 16));
  for (const char version : {'\0', '\4', '\xff'})
    add(files, "npy", ".npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", 16, version));
  add(files, "npy", ".npy", "\x93NUMPY\x01");
  add(files, "npy", ".npy", std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12));
  return files;
}

std::vector<File> index_files() {
  std::vector<File> files;
  for (const std::string& text :
       std::vector<std::string>{"{",
                                "{}",
                                "{\"weight_map\": 1}",
                                "{\"weight_map\": []}",
                                "{\"weight_map\": {\"a\": 1}}",
                                "{\"weight_map\": {\"a\": null}}",
                                "{\"weight_map\": {\"a\": \"\"}}",
                                "{\"weight_map\": {\"a\": \"..\"}}",
                                "{\"weight_map\": {\"a\": \"../x.safetensors\"}}",
                                "{\"weight_map\": {\"a\": \"/etc/passwd\"}}",
                                "{\"weight_map\": {\"a\": \"no-such.safetensors\"}}",
                                "{\"weight_map\": {\"a\": \"x\\u0000y\"}}",
                                "{\"weight_map\": {\"a\": \"sub\\\\x\"}}",
                                "{\"weight_map\": {\"no-such-tensor\": \"good.safetensors\"}}",
                                "{\"weight_map\": {\"a\": \"good.safetensors\", \"b\": \"good.safetensors\"}}",
                                "{\"weight_map\": {\"a\": \"folder\"}}",
                                "{\"weight_map\": {\"a\": \"empty.safetensors\"}}",
                                "{\"weight_map\": {\"a\": NaN}}",
                                "{\"weight_map\": {\"a\": \"good.safetensors\"}",
                                "{\"weight_map\": {\"a\": \"good.safetensors\"}} x",
                                "{\"x\": " + times("[", 100'000),
                                "{\"x\": " + times("{\"a\":", 100'000),
                                "{\"weight_map\": {\"a\": \"\xff\xfe\"}}",
                                "{\"x\": \"" + times("x", 9'000'000) + "\"}",
                                "{\"x\": [" + times("0,", 3'900'000) + "0]}",
                                "{\"weight_map\": {\"a\": \"index.safetensors.index.json\"}}"})
    add(files, "index", ".safetensors.index.json", text);
  return files;
}

}  // namespace nibble::hostile
