"""Pictures for tests, as files."""

import base64
from io import BytesIO
from typing import Any

from PIL import Image

HALVES_HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0004fZDn*}000000000XXk=`10000000000aA{+70000000000000"
    "0000000B57=IV*mgE07O6l0RRC200001p#T8@00000004CW001LtX>Mi!000000RR916=`l}WdZ;I000310BCk&F"
    "#rGn01j|zbZr0t000010002}X>f9I0002pX>en20001XXm(>m0RwOV0058x000009`FGC{rLC*01pFT0096PKmiN"
    "^|NjGU00093kN^M!000939=ZZRVE_RDDnbDP18@KU0|1Z!00RI30{|YND1il*>g1-"
    "mxCm%4AOHXZ10VnZ0{|gn00967L;=Bb!HEC>025<xY;ta6Y<K_x01W^JfB*mh6lrsCWdHyG00000Pyhe`KmY&$C}"
    "V74Z~y=RPyhe`0RR91JOBUy0RR91000000{{R2`~Uy|0ssI25O8UDX#fBK00RgJ2mk;87-"
    "?{AVE_OC000000RRC7fdT^sga7~leQji6bN~PVaVP<=3DM&~J@X>}|MEXK|NOAd%lpNv654uUWEcJJYwv*D|LVOV"
    "x<`x^ukj8iigRd7sU>hHxVrXw@Dg^xRCL8WjwwyY6?V;fhpr^y)@TeS>f@7_Zks}$o$t2$A=4oXi($6#IZvt4-"
    "Vv3M_uv"
)
"""80x60, its left half red and its right one blue; as pillow-heif has written it."""
TURNED_HEIC = base64.b85decode(
    "0000SW^{RQXk}?*00000ZE0pPXk}?*ZE0a<0005VZDn*}000000000XXk=`10000000000aA{+70000000000000"
    "0000000G-"
    "+&aV*mgE07O6l0ssL300001>;M4(00000004CW0ssI200LnE0RR9100000Bme*aIB98aW&i*H00062000$fZf0cy"
    "000000RRAKc4ILB0000LX>Mj^0ssI300IC2MR;ju000004sdC7Z2$lO00031009SSaB^?}008D`aAR)(004Gqc4I"
    ">U18@KU0FVFx0000U@BsY%`1k+-4+CHT0RR|40Sp2E{{wIU00RJ!0009300RIXx&lC90096hLID8-"
    "Z~y=U0FVFx0{{R603M(qfkl?;<fgf}2xu@M00096AOHXZ03l)k0RRR>0l{;?i2wiq6Ju{|a&BX6cmM$a4FCp!000"
    "0KX>)L8000000000$0000`0000eV{Bn?0000y000010000`00001|NsB|0000200000000020000GaA|mH000000"
    "|*ER00009X>xCL0{{R38EJ5BVE_OC000000RRC8fdT^sgoXeB02*m>Wo7^X0000001jhhb7KGk009620001?ZDe6"
    "|0001SC;_ht;5pmc54?YgdT0;nTX62bfx_|+Y4iPl74qacs^@thtXZ&GLXjZ~ly@IabZ**<ZdDE<3>zSSnNvTJiW"
    "iKIe(bnd=UBb@N&c*miEs45%LlNWwZ=Doj{|=ln4-xDoZgFONglThV)QRg-"
    "T(jq21R&jW&i+9O#mtY000O80Ra*K0{{R30RRR70000000"
)
"""80x60 white, with red in 20x20 at the upper left; stored as a camera does that was turned."""
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def encoded(image: Image.Image, format: str = "PNG", **how: Any) -> bytes:
    """The file of a picture."""
    file = BytesIO()
    image.save(file, format, **how)
    return file.getvalue()


def plain(
    colour: tuple[int, int, int], size: tuple[int, int] = (64, 64), format: str = "PNG"
) -> bytes:
    """The file of a picture of one colour."""
    return encoded(Image.new("RGB", size, colour), format)


def endless_jpeg(passes: int = 3000) -> bytes:
    """A small file with thousands of passes over a large picture."""
    file = encoded(Image.new("L", (4000, 4000), 100), "JPEG", progressive=True)
    last_pass = file[file.rfind(b"\xff\xda") : -2]
    return file[:-2] + last_pass * passes + b"\xff\xd9"


def data_url(data: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"
