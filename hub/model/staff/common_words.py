"""Common parts of passwords: frequent words in leaked passwords, in English and pinyin, and rows of keys."""

COMMON_WORDS = tuple(
    sorted(
        set(
            """
            abcd access account adidas admin administrator amanda andrea andrew angel angela anhui anthony apple arsenal
            asdf ashley asshole august austin baby babygirl bailey banana barcelona baseball basketball batman beauty
            beijing benjamin biteme blink182 bubbles buster butterfly changeme charlie cheese chelsea chengdu chicken
            china chocolate chongqing chris christian christmas compaq computer cookie cookies cowboy cristina daniel
            danielle david december default demo denver diamond dolphin donald dragon eagles elizabeth eminem english
            fang february flower football forever freedom friday friend friends fuck fuckyou gateway gege george
            gfhjkm ginger girl golfer google guangzhou guest hainan hangzhou hannah hao haha harley hebei hefei heaven
            hello hockey hunter iloveu iloveyou internet jackson jasmine jasper jennifer jessica jesus jiaoyu jiangsu
            jordan joseph joshua june justin keyboard killer king kitty kobe laoban laoshi laopo laogong letmein
            liverpool london lovely loveme lovers love lucky mama manager march maria marina marlboro martin master
            matrix matthew maverick mercedes merlin metallica michael michelle mickey mima mimashi mine monday money
            monika monkey monster mother mustang mynoob naruto nanjing newyork nicole nihao nike ninja november
            october office oliver orange pass passcode passw password patrick peanut pepper phoenix pokemon porsche
            portal princess purple qazwsx qianda qingdao queen rabbit rainbow ranger raiders redsox richard robert root
            samantha samsung saturday school scooter secret secure sept september server shadow shandong shanghai
            shenzhen shijie shuai slipknot snoopy soccer sophie spiderman starwars steelers stella student suzhou summer
            sunday sunshine super superman sweet sweety system taylor teacher teamo temp tennis test tester thomas
            thunder tiantian tigger tinkerbell trustno trustnoone user vanessa victoria wangba welcome whatever william
            winner winter woaini woaiwo wode woshishei wuhan xiamen xian xiaoxue xiexie xihuan xingfu xuexiao yankees
            yellow yuwen zhang zhangsan zhejiang zhongguo zhongxue zxcv
            """.split()
        ),
        key=len,
        reverse=True,
    )
)

# Rows of a keyboard, the alphabet, and digits that sound like "I love you" in Chinese.
KEY_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "qazwsxedcrfvtgbyhnujmikolp",
    "147258369",
    "5201314",
    "1314520",
    "7758521",
)
